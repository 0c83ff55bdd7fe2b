"""Exact draining: what time takes off a level, in integers and without drift.

A drain takes `amount_milli` every `period_ms`. An exact level is `level - remainder / period_ms`
with 0 <= remainder < period_ms, so that any split of an interval ends at the same pair.
"""


def drain(
    level: int, remainder: int, elapsed_ms: int, amount_milli: int, period_ms: int
) -> tuple[int, int]:
    """The (level, remainder) after `elapsed_ms`; at or below zero it is exactly (0, 0)."""
    parts = remainder + amount_milli * elapsed_ms
    taken, left = divmod(parts, period_ms)
    if taken >= level:
        return 0, 0
    return level - taken, left


def accrue(
    total: int, remainder: int, elapsed_ms: int, amount_milli: int, period_ms: int
) -> tuple[int, int]:
    """The (total, remainder) of a sum that grows as a drain takes, and is never clipped."""
    more, left = divmod(remainder + amount_milli * elapsed_ms, period_ms)
    return total + more, left


def time_to_drain(need_milli: int, remainder: int, amount_milli: int, period_ms: int) -> int | None:
    """The least whole ms after which `need_milli` more have drained; None if they never do.

    Least t with floor((remainder + amount_milli * t) / period_ms) >= need_milli.
    """
    if need_milli <= 0:
        return 0
    if amount_milli == 0:
        return None
    return -(-(need_milli * period_ms - remainder) // amount_milli)
