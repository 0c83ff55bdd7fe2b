"""What the accounts pipeline counts of its work."""

from typing import Protocol

from prometheus_client import Counter

from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import Outcome
from service.metric_names import ACCOUNTS_DEAD_LETTERS, ACCOUNTS_DECISIONS
from service.metrics import Metrics


class Tally(Protocol):
    """Counts answers and dead letters; no decision depends on it."""

    def answered(self, command: str, outcome: Outcome, *, replayed: bool) -> None: ...
    def buried(self, reason: DeadLetterReason) -> None: ...


class NoTally:
    """Counts nothing: for replays."""

    def answered(self, command: str, outcome: Outcome, *, replayed: bool) -> None:
        """Count nothing."""

    def buried(self, reason: DeadLetterReason) -> None:
        """Count nothing."""


class PrometheusTally:
    """Counts in the process's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._decisions = metrics.counter(ACCOUNTS_DECISIONS)
        self._dead_letters = metrics.counter(ACCOUNTS_DEAD_LETTERS)
        self._known: dict[tuple[str, Outcome, bool], Counter] = {}

    def answered(self, command: str, outcome: Outcome, *, replayed: bool) -> None:
        known = self._known.get((command, outcome, replayed))
        if known is None:
            known = self._decisions.labels(command, outcome.value, str(replayed).lower())
            self._known[command, outcome, replayed] = known
        known.inc()

    def buried(self, reason: DeadLetterReason) -> None:
        self._dead_letters.labels(reason.value).inc()
