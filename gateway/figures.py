"""Limits and quotas as callers see them: in bodies, and in the rate-limit headers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from gateway.answers import Headers
from schemas.http_tokens import LimitBody, QuotaBody
from schemas.limits import LimitKind, LimitReading, Unit
from schemas.quotas import QuotaReading
from schemas.replies import Reply

_BUCKETS = frozenset({LimitKind.LEAKY_BUCKET, LimitKind.TOKEN_BUCKET})
_QUOTA = "quota"


def iso_instant(epoch_ms: int) -> str:
    """An epoch time in milliseconds as ISO 8601 in UTC with `Z`."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{_second_text(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _second_text(epoch_s: int) -> str:
    """Every answer names two instants, and those of one second share all but their end."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def optional_instant(epoch_ms: int | None) -> str | None:
    """Like `iso_instant`; None stays None."""
    return None if epoch_ms is None else iso_instant(epoch_ms)


def bucket_of(limits: Sequence[LimitReading]) -> LimitReading | None:
    """The limit whose figures older clients get: the first bucket, else the first limit."""
    for limit in limits:
        if limit.kind in _BUCKETS:
            return limit
    return limits[0] if limits else None


def limit_bodies(limits: Sequence[LimitReading]) -> list[LimitBody]:
    """Every limit, in the order of the policy."""
    return [
        LimitBody(
            name=limit.name,
            unit=limit.unit,
            limit=limit.limit,
            used=limit.used,
            remaining=limit.remaining,
            reset_ms=limit.reset_ms,
        )
        for limit in limits
    ]


def quota_body(quota: QuotaReading | None) -> QuotaBody | None:
    """The quota; None where a reply says nothing of it."""
    if quota is None:
        return None
    return QuotaBody(
        total_tokens=quota.total_tokens,
        remaining_tokens=quota.remaining_tokens,
        allowance_tokens=quota.allowance_tokens,
        purchased_tokens=quota.purchased_tokens,
        held_tokens=quota.held_tokens,
        debt_tokens=quota.debt_tokens,
        reset_time=optional_instant(quota.reset_at_ms),
    )


def whole_seconds(milliseconds: int) -> int:
    """Rounded up, so that who waits that long has waited long enough."""
    return -(-milliseconds // 1000)


def rate_limit_headers(reply: Reply) -> Headers:
    """The customary X-RateLimit-* of the first bucket, and the IETF fields of every limit.

    `RateLimit-Policy` and `RateLimit` are structured fields (lists) after
    draft-ietf-httpapi-ratelimit-headers-10: q, qu and w of each policy, r and t of where it
    stands, in whole units and seconds. The unit `tokens` is ours. The quota is one more policy.
    X-RateLimit-Reset is in seconds from now, and missing where time does not reset the limit.
    """
    headers: Headers = []
    bucket = bucket_of(reply.limits)
    if bucket is not None:
        headers += [
            ("x-ratelimit-limit", str(bucket.limit)),
            ("x-ratelimit-remaining", str(bucket.remaining)),
            ("x-ratelimit-used", str(bucket.used)),
        ]
        if bucket.reset_ms is not None:
            headers.append(("x-ratelimit-reset", str(whole_seconds(bucket.reset_ms))))
    policies = []
    standings = []
    for limit in reply.limits:
        policies.append(_policy(limit.name, limit.limit, _quota_unit(limit), limit.window_ms))
        standings.append(_standing(limit.name, limit.remaining, limit.reset_ms))
    quota = reply.quota
    if quota is not None:
        reset_ms = None if quota.reset_at_ms is None else max(0, quota.reset_at_ms - reply.at_ms)
        policies.append(_policy(_QUOTA, quota.total_tokens, Unit.TOKENS, quota.window_ms))
        standings.append(_standing(_QUOTA, quota.remaining_tokens, reset_ms))
    if policies:
        headers.append(("ratelimit-policy", ", ".join(policies)))
        headers.append(("ratelimit", ", ".join(standings)))
    return headers


def _policy(name: str, quota: int, unit: str, window_ms: int | None) -> str:
    window = "" if window_ms is None else f";w={whole_seconds(window_ms)}"
    return f'"{name}";q={quota};qu="{unit}"{window}'


def _quota_unit(limit: LimitReading) -> str:
    if limit.unit is Unit.TOKENS:
        return Unit.TOKENS
    return "concurrent-requests" if limit.kind is LimitKind.CONCURRENCY else Unit.REQUESTS


def _standing(name: str, remaining: int, reset_ms: int | None) -> str:
    if reset_ms is None:
        return f'"{name}";r={remaining}'
    return f'"{name}";r={remaining};t={whole_seconds(reset_ms)}'
