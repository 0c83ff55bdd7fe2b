"""How readings are written for people: times, amounts, limits, quotas."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from schemas.limits import LimitChange, LimitReading, Violation
from schemas.quotas import QuotaReading


def moment(epoch_ms: int) -> str:
    """ISO 8601 with milliseconds and Z."""
    text = datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def wait(duration_ms: int | None) -> str:
    """A duration in seconds, or that there is none."""
    return "never by waiting" if duration_ms is None else f"in {duration_ms / 1000:,.3f} s"


def milli(amount: int) -> str:
    """An amount in thousandths as whole units, with the decimals that it has."""
    whole, rest = divmod(amount, 1000)
    return f"{whole:,}" + (f".{rest:03}".rstrip("0") if rest else "")


def quota_line(quota: QuotaReading) -> str:
    """One line on a quota."""
    resets = "opens at first use" if quota.reset_at_ms is None else moment(quota.reset_at_ms)
    debt = f", debt {quota.debt_tokens:,}" if quota.debt_tokens else ""
    return (
        f"quota: {quota.remaining_tokens:,} of {quota.total_tokens:,} tokens remain (allowance "
        f"{quota.allowance_tokens:,}, purchased {quota.purchased_tokens:,}, held "
        f"{quota.held_tokens:,}{debt}); window ends: {resets}"
    )


def limit_lines(limits: Iterable[LimitChange | LimitReading]) -> Iterator[str]:
    """A line a limit: its level before and after, or where it stands."""
    for limit in limits:
        if isinstance(limit, LimitChange):
            level = f"{milli(limit.before)} → {milli(limit.after)}"
        else:
            level = f"{limit.used:,} used"
        resets = f"; unused again {wait(limit.reset_ms)}" if limit.reset_ms else ""
        yield (
            f"limit {limit.name} ({limit.kind.value}): {level} of {limit.limit:,} "
            f"{limit.unit.value}{resets}"
        )


def violation_lines(violations: Iterable[Violation]) -> Iterator[str]:
    """A line a limit that refused."""
    for violation in violations:
        yield (
            f"refused by {violation.name} ({violation.outcome}): {violation.requested:,} asked, "
            f"{violation.remaining:,} of {violation.limit:,} {violation.unit.value} left; "
            f"passes {wait(violation.retry_after_ms)}"
        )
