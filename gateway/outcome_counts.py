"""How requests ended, as metrics whose labels cannot grow without bound."""

from collections.abc import Iterable

from prometheus_client import Counter

from service.http.problems import ProblemError
from service.metric_names import (
    TOKEN_CONSUME,
    TOKEN_QUOTA_LOOKUP,
    TOKEN_RESERVATION,
    TOKENS_CONSUMED,
)
from service.metrics import Metrics

ALLOWED = "allowed"
FOUND = "found"
_UNKNOWN = "unknown"
_BY_STATUS = {402: "quota_insufficient", 429: "rate_limited", 502: "provider_failure"}


def outcome_of(problem: ProblemError) -> str:
    """The label of a request that failed."""
    status = problem.kind.status
    return _BY_STATUS.get(status) or ("unavailable" if status >= 500 else "refused")


class OutcomeCounts:
    """Counts requests by provider and outcome; a provider that is not ours is `unknown`."""

    def __init__(self, metrics: Metrics, providers: Iterable[str]) -> None:
        self._providers = frozenset(providers)
        self._consume = metrics.counter(TOKEN_CONSUME)
        self._quota = metrics.counter(TOKEN_QUOTA_LOOKUP)
        self._reservation = metrics.counter(TOKEN_RESERVATION)
        self._tokens = metrics.counter(TOKENS_CONSUMED)
        self._children: dict[tuple[Counter, tuple[str, ...]], Counter] = {}

    def consume(self, provider: str | None, outcome: str, tokens: int = 0) -> None:
        """A consume request ended; `tokens` were charged."""
        label = self._label(provider)
        self._child(self._consume, label, outcome).inc()
        if tokens:
            self._child(self._tokens, label).inc(tokens)

    def quota(self, provider: str | None, outcome: str) -> None:
        """A quota request ended."""
        self._child(self._quota, self._label(provider), outcome).inc()

    def reservation(self, action: str, outcome: str) -> None:
        """A reserve, settle or release ended."""
        self._child(self._reservation, action, outcome).inc()

    def _label(self, provider: str | None) -> str:
        name = (provider or "").strip().lower()
        return name if name in self._providers else _UNKNOWN

    def _child(self, counter: Counter, *labels: str) -> Counter:
        key = (counter, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = counter.labels(*labels)
        return child
