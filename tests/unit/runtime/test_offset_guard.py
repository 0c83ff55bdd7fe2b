"""When a partition may start, and what its refusal tells the operator to do."""

import pytest

from pipelines.runtime.offset_guard import PartitionOffsets, after_restore, before_restore
from pipelines.runtime.position import Position


def offsets(committed: int | None, first: int = 0) -> PartitionOffsets:
    return PartitionOffsets("commands", 3, committed, first)


@pytest.mark.parametrize(
    ("committed", "last"), [(None, None), (0, None), (8, 7)], ids=["new", "rewound to 0", "usual"]
)
def test_a_partition_starts_where_offset_and_state_agree(
    committed: int | None, last: int | None
) -> None:
    position = None if last is None else Position(last, 0)
    assert after_restore(offsets(committed), position, "accounts") is None


@pytest.mark.parametrize(
    ("committed", "last"),
    [(None, 7), (7, 7), (9, 7), (0, 7), (5, None)],
    ids=["offsets lost", "behind", "ahead", "rewound", "state lost"],
)
def test_a_partition_does_not_start_where_they_do_not(
    committed: int | None, last: int | None
) -> None:
    position = None if last is None else Position(last, 0)
    problem = after_restore(offsets(committed), position, "accounts")
    assert problem is not None
    assert "commands[3]" in problem
    assert ("--offset 8" in problem) == (last == 7)


def test_changelogs_without_a_committed_offset_name_the_offset_to_go_on_at() -> None:
    problem = before_restore(offsets(None), restorable=41, group="accounts")
    assert problem is not None
    assert (
        "python -m pipelines.runtime rewind --group accounts --topic commands "
        "--partition 3 --offset 42" in problem
    )


def test_a_new_partition_needs_its_log_from_the_beginning() -> None:
    assert before_restore(offsets(None), None, "accounts") is None
    problem = before_restore(offsets(None, first=10), None, "accounts")
    assert problem is not None
    assert "begins at offset 10" in problem


def test_a_committed_partition_is_restored_without_more_ado() -> None:
    assert before_restore(offsets(8, first=5), restorable=None, group="accounts") is None
