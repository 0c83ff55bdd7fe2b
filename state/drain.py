"""Exact draining: what time takes off a level, in integers and without drift.

A drain takes `amount_milli` every `period_ms`. An exact level is `level - remainder / period_ms`
with 0 <= remainder < period_ms, so that any split of an interval ends at the same pair.
"""

DRAINED_WRAPS_AT = 2**62
"""Where the sum of what drained starts over, so that it fits a state value for ever.

Only differences within a hold's life count, and those are far smaller.
"""

MAX_WAIT_MS = 2**53
"""A longer wait counts as one without end: it is above 285,000 years."""


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
    """The (total, remainder) of a sum that grows as a drain takes; total modulo 2**62."""
    more, left = divmod(remainder + amount_milli * elapsed_ms, period_ms)
    return (total + more) % DRAINED_WRAPS_AT, left


def drained_since(total: int, then: int) -> int:
    """What an accrued sum has grown by since it was `then`."""
    return (total - then) % DRAINED_WRAPS_AT


def time_to_drain(need_milli: int, remainder: int, amount_milli: int, period_ms: int) -> int | None:
    """The least whole ms after which `need_milli` more have drained; None if they never do.

    Least t with floor((remainder + amount_milli * t) / period_ms) >= need_milli; one above
    `MAX_WAIT_MS` counts as never.
    """
    if need_milli <= 0:
        return 0
    if amount_milli == 0:
        return None
    wait_ms = -(-(need_milli * period_ms - remainder) // amount_milli)
    return wait_ms if wait_ms <= MAX_WAIT_MS else None
