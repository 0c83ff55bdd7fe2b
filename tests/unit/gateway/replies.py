"""Replies for tests."""

from typing import Any

from schemas.limits import LimitKind, LimitReading, Unit, Violation
from schemas.outcomes import Outcome
from schemas.quotas import QuotaReading
from schemas.replies import Reply

NOW_MS = 1_795_000_000_123
ACCOUNT = "user:0a000000-0000-4000-8000-00000000000a"

BUCKET = LimitReading(
    name="tokens",
    kind=LimitKind.LEAKY_BUCKET,
    unit=Unit.TOKENS,
    limit=1000,
    used=801,
    remaining=199,
    window_ms=100_000,
    reset_ms=80_001,
)
REQUESTS_A_DAY = LimitReading(
    name="daily",
    kind=LimitKind.FIXED_WINDOW,
    unit=Unit.REQUESTS,
    limit=50,
    used=3,
    remaining=47,
    window_ms=86_400_000,
    reset_ms=3_600_000,
)
AT_ONCE = LimitReading(
    name="at-once",
    kind=LimitKind.CONCURRENCY,
    unit=Unit.REQUESTS,
    limit=4,
    used=1,
    remaining=3,
)
QUOTA = QuotaReading(
    total_tokens=100_000,
    remaining_tokens=99_199,
    allowance_tokens=100_000,
    purchased_tokens=0,
    window_ms=86_400_000,
    reset_at_ms=NOW_MS + 86_400_000,
)


def a_reply(outcome: Outcome, **fields: object) -> Reply:
    """A reply with that outcome; `fields` replace what it has by default."""
    defaults: dict[str, Any] = {
        "command_id": "c-1",
        "command": "consume",
        "account": ACCOUNT,
        "at_ms": NOW_MS,
        "limits": (BUCKET, AT_ONCE),
        "quota": QUOTA,
        **fields,
    }
    return Reply(outcome=outcome, **defaults)


def a_violation(retry_after_ms: int | None) -> Violation:
    return Violation(
        name="tokens",
        outcome="rate-limited",
        unit=Unit.TOKENS,
        limit=1000,
        requested=300,
        remaining=199,
        retry_after_ms=retry_after_ms,
    )
