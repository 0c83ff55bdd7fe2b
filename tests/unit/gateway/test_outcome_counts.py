"""The gateway's own counters."""

import pytest

from gateway.outcome_counts import ALLOWED, OutcomeCounts, outcome_of
from gateway.problems import (
    NO_REPLY,
    PROVIDER_CALL_FAILED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    UNKNOWN_PROVIDER,
)
from service.http.problems import ProblemError, ProblemType
from service.metrics import Metrics


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (QUOTA_EXHAUSTED, "quota_insufficient"),
        (RATE_LIMITED, "rate_limited"),
        (PROVIDER_CALL_FAILED, "provider_failure"),
        (NO_REPLY, "unavailable"),
        (UNKNOWN_PROVIDER, "refused"),
    ],
)
def test_a_problem_is_counted_under_the_older_alerts_names(kind: ProblemType, outcome: str) -> None:
    assert outcome_of(ProblemError(kind)) == outcome


def test_requests_and_tokens_are_counted_by_provider_and_invented_names_are_one() -> None:
    metrics = Metrics("gateway")
    counts = OutcomeCounts(metrics, ["openai"])
    counts.consume(" OpenAI", ALLOWED, 30)
    counts.consume("openai", ALLOWED, 12)
    counts.consume("invented", "refused")
    counts.consume(None, "refused")
    text = metrics.render().decode()
    allowed = 'application="gateway",outcome="allowed",provider="openai"'
    assert f"token_consume_total{{{allowed}}} 2.0" in text
    assert 'tokens_consumed_total{application="gateway",provider="openai"} 42.0' in text
    refused = 'application="gateway",outcome="refused",provider="unknown"'
    assert f"token_consume_total{{{refused}}} 2.0" in text
