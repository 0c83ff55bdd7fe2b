"""The runtime on a real broker: one event a record, whatever happens to the process."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.integration.counting_pipeline import COMMANDS
from tests.integration.counting_system import PARTITIONS, CountingSystem, wait_for
from tests.servers import Servers

ACCOUNTS = 20


@pytest.fixture
def system(servers: Servers, tmp_path: Path) -> CountingSystem:
    made = CountingSystem(servers.kafka_bootstrap_servers, tmp_path)
    made.create_topics()
    return made


def count_command(number: int) -> dict[str, Any]:
    return {"account": f"a{number % ACCOUNTS}", "id": f"c{number}", "replyTo": number % PARTITIONS}


def require_exactly_once(system: CountingSystem, sent: int) -> None:
    """Every command has one event and a reply that says the same; no account's count has a gap."""
    events = system.wait_for_events(sent)
    counts: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        counts[event["account"]].append(event["count"])
    assert len(events) == sent
    assert len({event["id"] for event in events}) == sent
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in counts.values())
    decided = {event["id"]: event["count"] for event in events}
    replies = system.replies()
    assert {reply["id"] for reply in replies} == set(decided)
    assert all(reply["count"] == decided[reply["id"]] for reply in replies)


def test_a_stop_by_sigterm_commits_and_the_next_start_goes_on_where_it_ended(
    system: CountingSystem,
) -> None:
    with system.process() as first:
        system.send(*(count_command(number) for number in range(100)))
        system.wait_for_events(1)
        assert first.terminate() == 0
    with system.process():
        system.send(*(count_command(number) for number in range(100, 200)))
        require_exactly_once(system, sent=200)


@pytest.mark.parametrize("state", ["kept", "wiped"])
def test_a_killed_process_goes_on_without_a_gap_or_a_repetition(
    system: CountingSystem, state: str
) -> None:
    sent = 0
    with system.process() as first:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            system.produce_soon(count_command(sent))
            sent += 1
            time.sleep(0.002)
        assert system.events()
        first.process.kill()
        first.process.wait()
    for _ in range(200):
        system.produce_soon(count_command(sent))
        sent += 1
    system.producer.flush()
    if state == "wiped":
        shutil.rmtree(system.state_folder())
    with system.process():
        require_exactly_once(system, sent)


def test_a_process_that_slept_while_another_took_over_ends_and_doubles_nothing(
    system: CountingSystem,
) -> None:
    with system.process(slot=0) as sleeper:
        system.send(*(count_command(number) for number in range(100)))
        system.wait_for_events(100)
        for number in range(100, 300):
            system.produce_soon(count_command(number))
        sleeper.process.send_signal(signal.SIGSTOP)
        with system.process(slot=1):
            system.send(*(count_command(number) for number in range(300, 400)))
            system.wait_for_events(400)
            sleeper.process.send_signal(signal.SIGCONT)
            assert sleeper.process.wait(60) == 1, sleeper.log()
            system.send(*(count_command(number) for number in range(400, 450)))
            require_exactly_once(system, sent=450)


def run_to_its_end(system: CountingSystem) -> tuple[int, str]:
    """Start the pipeline, which is expected to end by itself; its exit code and its log."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.integration.counting_pipeline"],
        env=system.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.returncode, finished.stderr


def test_a_missing_changelog_stops_the_process_for_a_person(
    servers: Servers, tmp_path: Path
) -> None:
    system = CountingSystem(servers.kafka_bootstrap_servers, tmp_path)
    system.create_topics()
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    name = f"changelog__{system.group}--{COMMANDS.name_on_broker(system.prefix)}--default"
    admin.delete_topics([name])[name].result()
    wait_for(lambda: name not in admin.list_topics(timeout=10).topics, "the topic is gone")

    code, log = run_to_its_end(system)

    assert code == 78
    assert name in log
    assert name not in admin.list_topics(timeout=10).topics


@pytest.mark.parametrize("state", ["kept", "wiped"])
def test_deleted_offsets_stop_the_process_until_the_printed_command_was_run(
    system: CountingSystem, state: str
) -> None:
    with system.process() as process:
        system.send(*(count_command(number) for number in range(100)))
        system.wait_for_events(100)
        assert process.terminate() == 0
    if state == "wiped":
        shutil.rmtree(system.state_folder())
    admin = AdminClient({"bootstrap.servers": system.bootstrap_servers})
    topic = COMMANDS.name_on_broker(system.prefix)
    wait_for(
        lambda: (
            admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(system.group, [TopicPartition(topic, 0)])]
            )[system.group]
            .result()
            .topic_partitions[0]
            .offset
            > 0
        ),
        "the group's offsets",
    )
    wait_for(lambda: _delete_group(admin, system.group), "the group can be deleted")

    code, log = run_to_its_end(system)
    assert code == 78, log
    repairs = re.findall(r"python (-m pipelines\.runtime rewind .*? --offset \d+)", log)
    assert len(repairs) == PARTITIONS, log
    for repair in repairs:
        command = [sys.executable, *repair.split()]
        subprocess.run(command, env=system.environment(), check=True, timeout=90)
    with system.process():
        system.send(*(count_command(number) for number in range(100, 150)))
        require_exactly_once(system, sent=150)


def _delete_group(admin: AdminClient, group: str) -> bool:
    """Whether the group is gone; a static member holds it until its session times out."""
    error = admin.delete_consumer_groups([group])[group].exception()
    return error is None
