"""The runtime on a real broker: ticks, replies, expiring entries, large records and values."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.counting_system import PARTITIONS, CountingSystem, wait_for
from tests.servers import Servers
from tests.service_process import ServiceProcess
from topics.partitioning import partition_for


@pytest.fixture
def system(servers: Servers, tmp_path: Path) -> CountingSystem:
    made = CountingSystem(servers.kafka_bootstrap_servers, tmp_path)
    made.create_topics()
    return made


def ticks(system: CountingSystem) -> int:
    return sum(1 for command in system.commands() if command.get("tick"))


def wakes(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if "woke" in event]


def told_lag(process: ServiceProcess) -> dict[int, float]:
    metrics = httpx2.get(f"{process.url}/metrics", timeout=10).text
    told = re.findall(r'pipeline_lag_records{.*partition="([0-9]+)"} ([0-9.]+)', metrics)
    return {int(partition): float(records) for partition, records in told}


def test_a_partition_gets_one_tick_when_it_is_due_and_none_when_nothing_is(
    system: CountingSystem,
) -> None:
    with system.process():
        system.send({"account": "idle", "id": "1"})
        system.send({"account": "a", "id": "2", "wakeInMs": 1_500})
        events = system.wait_for_events(3)
        # Nothing is due any more: what else comes, comes without a tick.
        for number in range(3, 20):
            system.send({"account": "a", "id": str(number)})
        system.wait_for_events(20)

    (woken,) = wakes(events)
    assert 0 <= woken["at"] - woken["woke"] < 1_500
    assert ticks(system) == 1


def test_ticks_follow_each_other_while_work_remains(system: CountingSystem) -> None:
    with system.process():
        system.send({"account": "a", "id": "1", "work": 5})
        events = system.wait_for_events(6)

    assert len(wakes(events)) == 5
    assert ticks(system) == 5


def test_what_fell_due_while_the_process_was_away_gets_its_tick_at_the_next_start(
    system: CountingSystem,
) -> None:
    with system.process() as first:
        system.send({"account": "a", "id": "1", "wakeInMs": 3_000})
        system.wait_for_events(1)
        due = time.monotonic() + 3
        assert first.terminate() == 0
    wait_for(lambda: time.monotonic() > due, "the wake-up is due")
    with system.process():
        assert len(wakes(system.wait_for_events(2))) == 1


def test_a_record_of_many_commands_is_decided_in_order(system: CountingSystem) -> None:
    with system.process():
        system.send_array([{"account": "a", "id": f"c{n}", "replyTo": 0} for n in range(5_000)])
        events = system.wait_for_events(5_000)
        wait_for(lambda: len(system.replies()) == 5_000, "all replies")

    assert [event["count"] for event in events] == list(range(1, 5_001))
    assert [event["index"] for event in events] == list(range(5_000))


def test_events_are_partitioned_as_every_producer_of_ours_partitions(
    system: CountingSystem,
) -> None:
    accounts = [f"user:{number}" for number in range(30)]
    with system.process():
        system.send(*({"account": account, "id": account} for account in accounts))
        events = system.wait_for_events(30)

    assert {event["account"]: event["partition"] for event in events} == {
        account: partition_for(account.encode(), PARTITIONS) for account in accounts
    }


def test_a_reply_address_without_a_partition_loses_its_reply_and_nothing_else(
    system: CountingSystem,
) -> None:
    with system.process() as process:
        system.send({"account": "a", "id": "1", "replyTo": 99})
        system.send({"account": "a", "id": "2", "replyTo": 1})
        wait_for(lambda: bool(system.replies()), "the reply behind it")
        assert process.terminate() == 0

    assert system.replies() == [{"id": "2", "count": 2}]
    assert len(system.events()) == 2


def test_lag_is_told_of_every_partition_after_a_restart_too(system: CountingSystem) -> None:
    for start in (1, 2):
        with system.process() as process:
            system.send(*({"account": f"a{n}", "id": f"{start}.{n}"} for n in range(30)))
            system.wait_for_events(30 * start)
            wait_for(lambda: told_lag(process) == dict.fromkeys(range(PARTITIONS), 0), "no lag")
            assert process.terminate() == 0


def test_expired_entries_are_gone_after_a_cold_restore_and_balances_are_not(
    servers: Servers, tmp_path: Path
) -> None:
    system = CountingSystem(servers.kafka_bootstrap_servers, tmp_path, entry_ttl_ms=2_000)
    system.create_topics()
    commands = [{"account": f"a{n}", "id": f"c{n}", "replyTo": 0} for n in range(50)]
    with system.process() as first:
        system.send(*commands)
        system.wait_for_events(50)
        expired = time.monotonic() + 2
        assert first.terminate() == 0
    shutil.rmtree(system.state_folder())
    wait_for(lambda: time.monotonic() > expired, "the entries are expired")
    with system.process():
        # One record of now, so that the partitions' stores know the time.
        system.send(*({"account": f"b{n}", "id": f"later{n}"} for n in range(20)))
        system.wait_for_events(70)
        system.send(*commands)
        events = system.wait_for_events(120)

    # The ids count anew, on balances that were restored.
    again = [event for event in events if event["id"].startswith("c") and event["count"] == 2]
    assert {event["account"] for event in again} == {f"a{n}" for n in range(50)}


def test_entries_that_are_not_expired_survive_a_cold_restore(system: CountingSystem) -> None:
    commands = [{"account": f"a{n}", "id": f"c{n}", "replyTo": 0} for n in range(50)]
    with system.process() as first:
        system.send(*commands)
        system.wait_for_events(50)
        assert first.terminate() == 0
    shutil.rmtree(system.state_folder())
    with system.process():
        system.send(*commands)
        wait_for(lambda: len(system.replies()) == 100, "the second replies")

    assert len(system.events()) == 50
    assert {reply["count"] for reply in system.replies()} == {1}


@pytest.mark.parametrize("fault", [{"kib": 257}, {"break": True}])
def test_a_fault_of_the_pipeline_ends_the_process_before_it_answers(
    system: CountingSystem, fault: dict[str, Any]
) -> None:
    with system.process() as process:
        system.send({"account": "a", "id": "1", "replyTo": 0, **fault})
        assert process.process.wait(30) == 1, process.log()

    assert system.replies() == []
    assert system.events() == []
