"""The golden log decided anew: every event and reply has the bytes that it had when written."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from schemas.events import EVENT_ADAPTER
from schemas.outcomes import Outcome
from schemas.replies import Reply
from tests.contract.golden.accounts_log import (
    FULL_RECORDS,
    Caused,
    GoldenRecord,
    Replay,
    read_log,
    write_log,
)
from tests.contract.golden.accounts_log_commands import COMMANDS, OURS, SEED, Author

Decided = list[tuple[GoldenRecord, Caused]]


@pytest.fixture(scope="module")
def decided() -> Decided:
    """Each record of the log with what it causes today."""
    replay = Replay()
    return [(golden, replay.apply(golden.record)) for golden in read_log()]


def test_the_first_records_cause_what_is_on_file(decided: Decided) -> None:
    for golden, caused in decided[:FULL_RECORDS]:
        place = (golden.record.partition, golden.record.offset)
        assert (place, caused) == (place, golden.full)


def test_every_record_causes_the_bytes_that_it_caused_when_it_was_written(
    decided: Decided,
) -> None:
    for golden, caused in decided:
        place = (golden.record.partition, golden.record.offset)
        counts = (len(caused.events), len(caused.replies))
        assert (place, counts) == (place, (golden.events, golden.replies))
        assert (place, caused.digest()) == (place, golden.sha256)


def test_every_event_and_reply_reads_as_a_message_and_is_written_again(decided: Decided) -> None:
    for _, caused in decided:
        for value in caused.events:
            assert EVENT_ADAPTER.validate_json(value).to_json() == value
        for value in caused.replies:
            assert Reply.model_validate_json(value).to_json() == value


def test_the_log_has_every_sort_of_command_event_and_outcome(decided: Decided) -> None:
    commands: Counter[str] = Counter()
    events: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for golden, caused in decided:
        said = json.loads(golden.record.value or b"")
        commands.update(each["type"] for each in (said if isinstance(said, list) else [said]))
        events.update(json.loads(value)["type"] for value in caused.events)
        outcomes.update(json.loads(value)["outcome"] for value in caused.replies)
    assert commands.total() == COMMANDS
    assert commands.keys() == _types_of_commands()
    # Of bugs there are none in it, and what is malformed is told in another library's words.
    assert events.keys() == _types_of_events() - {"decision-failed"}
    left_out = {Outcome.MALFORMED, Outcome.NOT_READY, Outcome.DECISION_FAILED}
    assert outcomes.keys() == {outcome.value for outcome in set(Outcome) - left_out}
    assert {golden.record.partition for golden, _ in decided} == set(OURS)


def test_the_script_beside_the_log_writes_its_records(decided: Decided) -> None:
    written = islice(Author(SEED).records(COMMANDS), len(decided) + 1)
    assert [golden.record for golden, _ in decided] == list(written)


def test_the_script_replaces_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        write_log(path)
    assert path.read_bytes() == b"kept"


def _types_of_commands() -> set[str]:
    ours = "consume reserve settle void query allocate revoke set-tier set-status set-limits"
    return {*ours.split(), "policy", "tick"}


def _types_of_events() -> set[str]:
    schema = EVENT_ADAPTER.json_schema()
    return set(schema["discriminator"]["mapping"])
