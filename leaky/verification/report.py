"""What a verification found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leaky.verification.comparison import Difference

MAX_KEPT_DIFFERENCES = 100
"""Differences that are kept to be shown; all are counted."""


@dataclass(slots=True)
class VerifyReport:
    """Counts over all partitions, and the first differences in the order they were met.

    `records` are records of `accounts.commands`, `commands` what was answered in them (a record
    may be an array), `events` what was compared, `reply_digests` those of them that prove a reply.
    `events_behind` were published for commands that were not part of the verification.
    """

    partitions: int = 0
    records: int = 0
    commands: int = 0
    events: int = 0
    reply_digests: int = 0
    chains: int = 0
    chain_links: int = 0
    events_behind: int = 0
    seconds: float = 0.0
    difference_count: int = 0
    differences: list[Difference] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    """By partition: the offset of `accounts.commands` that was verified up to."""

    @property
    def is_clean(self) -> bool:
        """Whether everything was as the log says."""
        return self.difference_count == 0

    @property
    def commands_per_s(self) -> float:
        """Speed of the whole verification."""
        return self.commands / self.seconds if self.seconds else 0.0

    def note(self, difference: Difference) -> None:
        """Count a difference, and keep it if it is among the first."""
        self.difference_count += 1
        if len(self.differences) < MAX_KEPT_DIFFERENCES:
            self.differences.append(difference)

    def to_dict(self) -> Mapping[str, Any]:
        """The report as JSON data, camelCase."""
        return {
            "clean": self.is_clean,
            "partitions": self.partitions,
            "records": self.records,
            "commands": self.commands,
            "events": self.events,
            "replyDigests": self.reply_digests,
            "chains": self.chains,
            "chainLinks": self.chain_links,
            "eventsBehind": self.events_behind,
            "seconds": round(self.seconds, 3),
            "commandsPerSecond": round(self.commands_per_s),
            "verifiedUpTo": {str(number): end for number, end in sorted(self.ends.items())},
            "differences": self.difference_count,
            "firstDifferences": [
                {
                    "kind": difference.kind.value,
                    "partition": difference.partition,
                    "offset": difference.offset,
                    "index": difference.index,
                    "eventOffset": difference.event_offset,
                    "expected": difference.expected,
                    "published": difference.published,
                }
                for difference in self.differences
            ],
        }
