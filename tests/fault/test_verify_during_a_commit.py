"""A verification that begins while the pipeline commits: it waits, and leaves no partition out."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from leaky.verification.verify import verify
from tests.fault.accounts_process import accounts_process
from tests.fault.command_load import CommandLoad
from tests.integration.accounts_system import PARTITIONS, AccountsSystem
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_STATE

_LONGER_THAN_A_VERIFICATION_S = 5.0
_TIMEOUT_S = 30.0


@pytest.mark.timeout(300)
def test_a_partition_whose_offset_is_being_committed_is_verified_all_the_same(
    system: AccountsSystem,
) -> None:
    with accounts_process(system) as process, CommandLoad(system, 300, 300) as load:
        load.wait_for_answers(300)
        load.finish()
        assert process.terminate() == 0
    whole = verify(system.settings)
    assert whole.commands >= len(load.sent_at)
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        commit = _commit_under_way(system, stack)
        verification = pool.submit(verify, system.settings)
        try:
            done, _ = wait([verification], _LONGER_THAN_A_VERIFICATION_S)
            assert not done
        finally:
            commit.abort_transaction(_TIMEOUT_S)
        report = verification.result()
    assert report.is_clean
    assert (report.commands, report.ends) == (whole.commands, whole.ends)


def _commit_under_way(system: AccountsSystem, stack: ExitStack) -> Producer:
    """A transaction that has named the pipeline's next offsets and is neither ended nor lost."""
    connection = {"bootstrap.servers": system.bootstrap_servers}
    group = ACCOUNTS_STATE.group_on_broker(system.prefix)
    member = Consumer({**connection, "group.id": group})
    stack.callback(member.close)
    producer = Producer({**connection, "transactional.id": f"{group}-commit"})
    producer.init_transactions(_TIMEOUT_S)
    producer.begin_transaction()
    commands = ACCOUNTS_COMMANDS.name_on_broker(system.prefix)
    producer.send_offsets_to_transaction(
        [TopicPartition(commands, number, 1) for number in range(PARTITIONS)],
        member.consumer_group_metadata(),
        _TIMEOUT_S,
    )
    return producer
