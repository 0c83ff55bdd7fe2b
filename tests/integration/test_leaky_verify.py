"""`leaky verify`: clean on what was decided, and never on anything else."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from leaky.verification.verify import verify
from tests.integration.accounts_system import AccountsSystem, create_system, running_pipeline
from tests.integration.log_copies import CopiedRecord, copy_log, records
from tests.integration.prepared_log import record
from tests.servers import Servers
from topics.registry import ACCOUNTS_EVENTS

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("leaky", "pipelines", "schemas", "service", "state", "topics", "devstack")


@pytest.fixture(scope="module")
def recorded(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AccountsSystem:
    """A system whose pipeline has decided the prepared log, verified live, and has stopped."""
    system = create_system(servers.kafka_bootstrap_servers, tmp_path_factory.mktemp("system"))
    with running_pipeline(system) as pipeline:
        record(system)
        live = system.leaky("verify")
        assert live.returncode == 0, live.stdout + live.stderr
        assert pipeline.terminate() == 0, pipeline.log()
    return system


@pytest.fixture(scope="module")
def faithful_copy(recorded: AccountsSystem) -> AccountsSystem:
    """The same log under a prefix that no pipeline works on."""
    return copy_log(recorded)


def test_a_log_that_was_decided_by_this_code_has_no_differences(recorded: AccountsSystem) -> None:
    report = verify(recorded.settings)
    assert report.is_clean, report.differences
    published = records(recorded, ACCOUNTS_EVENTS)
    assert report.events == report.chain_links == len(published)
    assert report.events_behind == 0
    assert report.reply_digests == sum(b'"replyDigest"' in event.value for event in published)
    assert report.commands > report.reply_digests, "queries and repeats are answered as well"


def test_one_partition_can_be_verified_alone_and_reported_as_json(
    recorded: AccountsSystem,
) -> None:
    done = recorded.leaky("verify", "--partition", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["clean"] is True
    assert report["partitions"] == 1
    assert list(report["verifiedUpTo"]) == ["1"]


def test_a_partition_that_does_not_exist_is_one_clear_line(recorded: AccountsSystem) -> None:
    done = recorded.leaky("verify", "--partition", "99")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "partitions 0 to 2, not 99" in done.stderr


def test_a_copy_is_verified_only_when_its_whole_log_is_asked_for(
    recorded: AccountsSystem, faithful_copy: AccountsSystem
) -> None:
    untouched = recorded.leaky("verify", "--topic-prefix", faithful_copy.prefix)
    assert untouched.returncode == 1
    assert "has committed nothing" in untouched.stderr
    whole = recorded.leaky("verify", "--topic-prefix", faithful_copy.prefix, "--whole-log")
    assert whole.returncode == 0, whole.stdout + whole.stderr


def _victim(events: list[CopiedRecord]) -> int:
    """The place of an event that is neither the first nor the last of its account."""
    return next(
        place
        for place, event in enumerate(events)
        if b'"type":"consumed"' in event.value and b'"tokens":900' not in event.value
        if sum(later.key == event.key for later in events[place + 1 :]) > 1
    )


@dataclass(frozen=True)
class _Found:
    kind: str
    code: int
    line: str


def _found(recorded: AccountsSystem, copy: AccountsSystem) -> _Found:
    done = recorded.leaky("verify", "--topic-prefix", copy.prefix, "--whole-log")
    line = next(line for line in done.stdout.splitlines() if line.startswith("The first: "))
    return _Found(line.removeprefix("The first: ").partition(":")[0], done.returncode, line)


def _place(event: CopiedRecord) -> str:
    origin = json.loads(event.value)["seal"]["origin"]
    return (
        f"partition {origin['partition']}, command offset {origin['offset']}, "
        f"event index {origin['index']}"
    )


def test_an_altered_event_is_named_with_the_field_that_was_altered(
    recorded: AccountsSystem,
) -> None:
    victims: list[CopiedRecord] = []

    def alter(events: list[CopiedRecord]) -> list[CopiedRecord]:
        place = _victim(events)
        victims.append(events[place])
        fields = json.loads(events[place].value)
        fields["quota"]["remainingTokens"] += 1
        altered = json.dumps(fields, separators=(",", ":")).encode()
        return [*events[:place], events[place].with_value(altered), *events[place + 1 :]]

    found = _found(recorded, copy_log(recorded, alter))
    assert (found.code, found.kind) == (1, "altered")
    assert _place(victims[0]) in found.line
    assert "quota.remainingTokens" in found.line


def test_one_altered_byte_of_white_space_is_a_difference_too(recorded: AccountsSystem) -> None:
    def alter(events: list[CopiedRecord]) -> list[CopiedRecord]:
        place = _victim(events)
        spaced = events[place].value.replace(b',"atMs":', b', "atMs":')
        return [*events[:place], events[place].with_value(spaced), *events[place + 1 :]]

    found = _found(recorded, copy_log(recorded, alter))
    assert (found.code, found.kind) == (1, "altered")


def test_a_removed_event_is_missing(recorded: AccountsSystem) -> None:
    victims: list[CopiedRecord] = []

    def remove(events: list[CopiedRecord]) -> list[CopiedRecord]:
        place = _victim(events)
        victims.append(events[place])
        return [*events[:place], *events[place + 1 :]]

    found = _found(recorded, copy_log(recorded, remove))
    assert (found.code, found.kind) == (1, "missing")
    assert _place(victims[0]) in found.line
    assert found.line.endswith("published nothing")


def test_a_duplicated_event_is_one_too_many(recorded: AccountsSystem) -> None:
    victims: list[CopiedRecord] = []

    def duplicate(events: list[CopiedRecord]) -> list[CopiedRecord]:
        place = _victim(events)
        victims.append(events[place])
        return [*events[: place + 1], *events[place:]]

    found = _found(recorded, copy_log(recorded, duplicate))
    assert (found.code, found.kind) == (1, "unexpected")
    assert _place(victims[0]) in found.line


def test_exchanged_events_are_found(recorded: AccountsSystem) -> None:
    def exchange(events: list[CopiedRecord]) -> list[CopiedRecord]:
        place = _victim(events)
        partner = next(
            later
            for later in range(place + 1, len(events))
            if events[later].key == events[place].key
        )
        events[place], events[partner] = events[partner], events[place]
        return events

    found = _found(recorded, copy_log(recorded, exchange))
    assert found.code == 1
    assert found.kind in {"missing", "unexpected", "out-of-order"}


@dataclass(frozen=True)
class Mutation:
    """A change of one place in the rules."""

    file: str
    old: str
    new: str


MUTATIONS = {
    "an admission stops just below what remains": Mutation(
        "pipelines/accounts/admission.py",
        "if command.tokens > stood.quota.remaining:",
        "if command.tokens >= stood.quota.remaining:",
    ),
    "a settle charges the larger of held and used": Mutation(
        "pipelines/accounts/holds.py",
        "used = min(command.tokens, hold.tokens) if",
        "used = max(command.tokens, hold.tokens) if",
    ),
    "evolve forgets what charges put into meters": Mutation(
        "pipelines/accounts/evolve.py",
        "and change.before != change.after:",
        "and change.before > change.after:",
    ),
    "evolve keeps the answer of a reserve that was voided": Mutation(
        "pipelines/accounts/evolve.py",
        "    if not isinstance(event, Settled):\n        memory.drop_answer",
        "    if isinstance(event, Settled):\n        memory.drop_answer",
    ),
    "the holds of all providers count for each": Mutation(
        "pipelines/accounts/standing.py",
        "for hold in account.open_holds if hold.provider == provider",
        "for hold in account.open_holds",
    ),
    "a settle with another amount passes for a repeat": Mutation(
        "pipelines/accounts/repeats.py",
        "hold.state == HOLD_SETTLED and hold.settled_tokens == command.tokens",
        "hold.state == HOLD_SETTLED",
    ),
    "a revoke reports what was asked and not what was taken": Mutation(
        "pipelines/accounts/administration.py",
        "moved = after.revoked - stood.quota.revoked",
        "moved = command.tokens",
    ),
    "a refund gives back what time had already drained": Mutation(
        "state/limits.py",
        "back = max(0, unused_milli - drained_since(meter.drained, then.drained))",
        "back = max(0, unused_milli)",
    ),
    "what no pot covers does not become debt": Mutation(
        "state/quotas.py",
        "debt=quota.debt + tokens - of_allowance - of_purchased,",
        "debt=quota.debt,",
    ),
    "a drain rounds its remainder away": Mutation(
        "state/drain.py",
        "return level - taken, left",
        "return level - taken, 0",
    ),
}


def _copy_tree(folder: Path) -> None:
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)


@pytest.mark.parametrize("name", MUTATIONS)
def test_rules_that_decide_differently_are_found_out(
    name: str, recorded: AccountsSystem, faithful_copy: AccountsSystem, tmp_path: Path
) -> None:
    mutation = MUTATIONS[name]
    _copy_tree(tmp_path)
    mutated = tmp_path / mutation.file
    source = mutated.read_text()
    assert source.count(mutation.old) == 1, f"{mutation.file} reads otherwise now"
    mutated.write_text(source.replace(mutation.old, mutation.new))
    arguments = ("-m", "leaky", "verify", "--topic-prefix", faithful_copy.prefix, "--whole-log")
    done = recorded.run(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The first: " in done.stdout, done.stdout + done.stderr


def test_the_same_rules_in_a_copied_tree_find_nothing(
    recorded: AccountsSystem, faithful_copy: AccountsSystem, tmp_path: Path
) -> None:
    _copy_tree(tmp_path)
    arguments = ("-m", "leaky", "verify", "--topic-prefix", faithful_copy.prefix, "--whole-log")
    done = recorded.run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
