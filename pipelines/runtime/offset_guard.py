"""Offsets against state: a partition starts only where its state ends.

The group's committed offset says which record comes next; the position in the state says which
one was applied last. They can part ways: a group's offsets expire when it is idle for a week, an
operator resets them, a changelog is lost. Going on would apply records twice or never.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.runtime.failures import OffsetsDisagreeError
from pipelines.runtime.position import Position


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What the broker knows of one assigned partition of the input, read at its assignment."""

    topic: str
    partition: int
    committed: int | None
    """Next offset by the consumer group; None when the group has none for the partition."""
    first: int
    """First offset that the log still has."""

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


def before_restore(offsets: PartitionOffsets, restorable: int | None, group: str) -> str | None:
    """What is wrong and how to repair it, or None when state may be restored for the partition.

    `restorable` is the last input offset that the changelogs know of. Quix Streams restores only
    what the committed offset covers, so that a group without one would get an empty state.
    """
    if restorable is not None and not offsets.committed:
        return (
            f"{offsets}: the group {group} has committed {_shown(offsets)}, but the changelogs "
            f"hold state up to offset {restorable}. {_rewind(offsets, restorable, group)}"
        )
    if restorable is None and not offsets.committed and offsets.first > 0:
        return (
            f"{offsets} has neither state nor committed offset, and its log begins at offset "
            f"{offsets.first}, not 0: what came before it would be missing from the state"
        )
    return None


def after_restore(offsets: PartitionOffsets, position: Position | None, group: str) -> str | None:
    """What is wrong and how to repair it, or None when the group goes on where the state ends."""
    next_by_state = position.last_offset + 1 if position is not None else 0
    if (offsets.committed or 0) == next_by_state:
        return None
    ends = "is not there" if position is None else f"ends at offset {position.last_offset}"
    return (
        f"{offsets}: the group {group} has committed {_shown(offsets)}, but the state {ends}. "
        + (_rewind(offsets, position.last_offset, group) + " Otherwise: " if position else "")
        + "delete the partition's state folder to have it restored from the changelogs or, if "
        "those are lost, rebuild the state from the log"
    )


def require_none(problems: Iterable[str | None]) -> None:
    """Raise `OffsetsDisagreeError` with all problems at once: each names its own repair."""
    found = [problem for problem in problems if problem is not None]
    if found:
        raise OffsetsDisagreeError("\n".join(found))


def _shown(offsets: PartitionOffsets) -> str:
    return "nothing" if offsets.committed is None else f"offset {offsets.committed}"


def _rewind(offsets: PartitionOffsets, ends: int, group: str) -> str:
    return (
        "To go on where the state ends: python -m pipelines.runtime rewind "
        f"--group {group} --topic {offsets.topic} --partition {offsets.partition} "
        f"--offset {ends + 1}."
    )
