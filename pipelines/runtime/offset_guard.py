"""Offsets against state: a partition starts only where its state ends.

The group's committed offset says which record comes next; the position in the state says which
one was applied last. They can part ways: a group's offsets expire when it is idle for a week, an
operator resets them, a changelog is lost. Going on would apply records twice or never.
"""

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


def require_agreement(
    offsets: PartitionOffsets, position: Position | None, restorable: int | None, group: str
) -> None:
    """Raise `OffsetsDisagreeError`, with the repair, unless the group goes on where the state ends.

    `restorable` is the last input offset that the changelogs know of: it matters when there is
    neither state nor committed offset, for then nothing can be restored, though something is there.
    """
    applied = position.last_offset if position is not None else None
    goes_on = offsets.committed or 0
    ends = applied if applied is not None else restorable
    if ends is None and goes_on == 0:
        if offsets.first > 0:
            raise OffsetsDisagreeError(
                f"{offsets} has neither state nor committed offset, and its log begins at offset "
                f"{offsets.first}, not 0: what came before it would be missing from the state"
            )
        return
    if applied is not None and offsets.committed == applied + 1:
        return
    committed = "nothing" if offsets.committed is None else f"offset {offsets.committed}"
    state = "is not there" if applied is None else f"ends at offset {applied}"
    raise OffsetsDisagreeError(
        f"{offsets}: the group {group} has committed {committed}, but the state {state}. "
        + (_rewind(offsets, ends, group) if ends is not None else "")
        + "If that does not bring them together: delete the partition's state folder to have it "
        "restored from the changelogs or, if those are lost, rebuild the state from the log"
    )


def _rewind(offsets: PartitionOffsets, ends: int, group: str) -> str:
    return (
        "To go on where the state ends: python -m pipelines.runtime rewind "
        f"--group {group} --topic {offsets.topic} --partition {offsets.partition} "
        f"--offset {ends + 1}. "
    )
