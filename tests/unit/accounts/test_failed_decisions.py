"""A decision that raises changes nothing, is on record, and is met again by a replay."""

import pytest

from pipelines.accounts import processor
from pipelines.accounts.decide import decide
from pipelines.accounts.decision import Context, Decision
from pipelines.accounts.holds import expire
from pipelines.accounts.memory import StoreReadError
from schemas.commands import AccountCommand
from schemas.dead_letters import DeadLetterReason
from schemas.events import DecisionFailed
from schemas.outcomes import Outcome
from state.store import PartitionStores
from tests.unit.accounts.commands import (
    ALICE,
    BOB,
    consume,
    leaky,
    policy,
    query,
    reserve,
    set_limits,
    settle,
)
from tests.unit.accounts.partition import NewPartition, replayed


class RuleBrokenError(RuntimeError):
    """What a bug in the rules raises."""


BROKEN = 13
"""The amount that the broken rule stumbles over."""


def decide_but_for_13(context: Context, command: AccountCommand) -> Decision:
    if getattr(command, "tokens", 0) == BROKEN:
        raise RuleBrokenError("thirteen")
    return decide(context, command)


@pytest.fixture
def _broken_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "decide", decide_but_for_13)


@pytest.mark.usefixtures("_broken_rule")
def test_a_failed_decision_is_answered_recorded_and_dead_lettered(
    new_partition: NewPartition,
) -> None:
    answer = new_partition(policy()).when(consume(BROKEN, "broken", actor="user:someone"))
    assert answer.outcome is Outcome.DECISION_FAILED
    assert answer.reply.detail == "deciding the command failed"
    failed = answer.event(DecisionFailed)
    assert (failed.command, failed.command_id, failed.place) == ("consume", "broken", 0)
    assert (failed.error, failed.actor) == ("RuleBrokenError", "user:someone")
    (letter,) = answer.dead_letters
    assert letter.reason is DeadLetterReason.DECISION_FAILED
    assert letter.detail == "deciding raised RuleBrokenError: thirteen"


@pytest.mark.usefixtures("_broken_rule")
def test_a_failed_decision_changes_nothing_but_the_accounts_chain(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000))).given(consume(5), reserve(5, hold_ttl_ms=1000))
    before = partition.account(ALICE)
    assert partition.at(2000).when(consume(BROKEN)).types == ["decision-failed"]
    after = partition.account(ALICE)
    assert after.head != before.head
    before.head, before.updated_ms = after.head, after.updated_ms
    assert after == before
    # What had expired is closed by the next command, still as of its deadline.
    assert partition.when(consume(5)).types == ["hold-expired", "consumed"]


@pytest.mark.usefixtures("_broken_rule")
def test_the_commands_beside_a_failed_one_are_decided_as_if_it_were_not_there(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    answer = partition.when(consume(5), consume(BROKEN), consume(6), consume(BROKEN, account=BOB))
    assert [reply.outcome for reply in answer.replies] == [
        Outcome.GRANTED,
        Outcome.DECISION_FAILED,
        Outcome.GRANTED,
        Outcome.DECISION_FAILED,
    ]
    failed = [event for event in answer.events if isinstance(event, DecisionFailed)]
    assert [(event.account, event.place) for event in failed] == [(ALICE, 1), (BOB, 3)]
    assert [letter.origin.index for letter in answer.dead_letters] == [1, 3]
    assert partition.pots(ALICE).charged == 11


@pytest.mark.usefixtures("_broken_rule")
def test_a_failed_command_is_not_remembered(
    new_partition: NewPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = new_partition(policy())
    assert partition.when(consume(BROKEN, "same")).outcome is Outcome.DECISION_FAILED
    monkeypatch.undo()
    answer = partition.when(consume(BROKEN, "same"))
    assert (answer.outcome, answer.reply.replayed) == (Outcome.GRANTED, False)


@pytest.mark.usefixtures("_broken_rule")
def test_a_replay_under_repaired_rules_meets_the_failures_on_record(
    new_partition: NewPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = new_partition(policy()).given(consume(5))
    partition.when(consume(BROKEN), consume(6))
    monkeypatch.undo()
    partition.given(consume(7))
    types = [event["type"] for event in replayed(partition, partition.failures)]
    assert types.count("decision-failed") == 1
    # Without the record of them the repaired rules decide, and the replay differs.
    types = [event["type"] for event in replayed(partition, {})]
    assert types.count("decision-failed") == 0


def test_an_expiry_that_fails_on_a_tick_is_on_record_under_its_accounts_place(
    new_partition: NewPartition, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = new_partition(policy()).given(reserve(5, account=BOB, hold_ttl_ms=5000))
    partition.given(reserve(5, hold_ttl_ms=5000), reserve(5, hold_ttl_ms=15_000))
    partition.at(10_000)

    def expire_but_for_alice(memory: object, *rest: object) -> object:
        if getattr(memory, "account_id", None) == ALICE:
            raise RuleBrokenError("alice")
        return expire(memory, *rest)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(processor, "expire", expire_but_for_alice)
    answer = partition.tick()
    failed = answer.event(DecisionFailed)
    assert (failed.account, failed.command, failed.place) == (ALICE, "tick", 1)
    assert answer.types == ["hold-expired", "decision-failed"]
    assert [letter.reason for letter in answer.dead_letters] == [DeadLetterReason.DECISION_FAILED]
    monkeypatch.undo()
    assert partition.pots(ALICE).held == 10
    assert partition.when(query()).types == ["hold-expired"]


@pytest.mark.parametrize("error", [StoreReadError("disk"), MemoryError(), OSError("disk")])
def test_errors_of_stores_and_memory_end_the_process(
    new_partition: NewPartition, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> Decision:
        raise error

    partition = new_partition(policy())
    with monkeypatch.context() as broken:
        broken.setattr(processor, "decide", fail)
        with pytest.raises(type(error)):
            partition.when(consume(5))
    assert partition.when(consume(5)).outcome is Outcome.GRANTED


def test_a_state_value_that_cannot_be_read_ends_the_process(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5))
    kept = dict(partition.durable)
    partition.durable[b"a:" + ALICE.encode()] = b"\x02" + b"of a later version"
    with pytest.raises(StoreReadError, match="cannot read state key"):
        partition.when(consume(5))
    partition.durable.update(kept)


def test_a_decision_that_no_state_value_holds_fails_alone(new_partition: NewPartition) -> None:
    # An account may be given more own limits than its record may have bytes.
    names = [f"{'p' * 50}{number}" for number in range(200)]
    rules = [leaky(10**12, 10**12, name=f"{'l' * 60}{number}") for number in range(16)]
    partition = new_partition(policy(providers=("gemini", "qwen", *names)))
    outcomes = [partition.when(set_limits(*rules, provider=name)).outcome for name in names]
    assert outcomes.count(Outcome.APPLIED) > 100
    assert outcomes[-1] is Outcome.DECISION_FAILED
    assert partition.when(set_limits(provider=names[0])).outcome is Outcome.APPLIED
    assert partition.when(consume(5)).outcome is Outcome.GRANTED


@pytest.mark.parametrize("amount", [0, 10**12])
def test_the_largest_bucket_that_a_policy_may_say_serves_for_years(
    new_partition: NewPartition, amount: int
) -> None:
    rule = leaky(10**12, amount, 1)
    partition = new_partition(policy(rule, multiplier=1_000_000, window_ms=1000))
    hour_ms = 3_600_000
    for _ in range(20):
        hold_id = partition.after(5000 * hour_ms).when(reserve(100)).hold_id
        partition.after(10).given(settle(hold_id, 40), consume(7))
    assert partition.account(ALICE).providers["qwen"].meters["bucket"].level == (
        7000 if amount else 20 * 47_000
    )


class BrokenDisk:
    """A store that can be neither read nor written."""

    def get(self, key: bytes) -> bytes | None:
        raise OSError(f"no {key!r}")

    def set(self, key: bytes, value: bytes, ttl_ms: int = 0) -> None:
        raise OSError(f"no {key!r} for {len(value)} bytes and {ttl_ms} ms")

    def delete(self, key: bytes) -> None:
        raise OSError(f"no {key!r}")


def test_a_store_that_breaks_ends_the_process_and_nothing_was_written(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    before = dict(partition.durable)
    broken = PartitionStores(partition.stores.durable, BrokenDisk())
    record = partition.log[0]._replace(offset=1, value=consume(5).to_json())
    with pytest.raises(StoreReadError, match="cannot read state key"):
        partition.processor.process(record, record.timestamp_ms, broken)
    assert partition.durable == before
