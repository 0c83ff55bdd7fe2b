"""Limits on one provider of one account: buckets and windows, counted in thousandths ("milli").

A leaky bucket remembers its level, a token bucket what is missing from a full one: the same
arithmetic, but for what a change of capacity keeps. The level of a fixed window is what was
charged in it. Concurrency remembers nothing here: the open holds are counted.
"""

from dataclasses import dataclass

import msgspec

from state.drain import MAX_WAIT_MS, accrue, drain, drained_since, time_to_drain

LEAKY_BUCKET = "leaky-bucket"
TOKEN_BUCKET = "token-bucket"  # noqa: S105 - the name of an algorithm
FIXED_WINDOW = "fixed-window"
CONCURRENCY = "concurrency"
TOKENS = "tokens"
REQUESTS = "requests"
MILLI = 1000


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """What a limit allows an account: scaled, in milli.

    `amount_milli` drains every `period_ms` (buckets); of a fixed window `period_ms` is the length.
    """

    name: str
    kind: str
    unit: str
    capacity_milli: int
    amount_milli: int = 0
    period_ms: int = 1

    @property
    def window_ms(self) -> int | None:
        """From full use to none: a full bucket's drain rounded up, a window's length.

        None where there is no such time, or one above `MAX_WAIT_MS`.
        """
        if self.kind == FIXED_WINDOW:
            return self.period_ms
        if self.amount_milli == 0:
            return None
        window_ms = -(-self.capacity_milli * self.period_ms // self.amount_milli)
        return window_ms if window_ms <= MAX_WAIT_MS else None

    def cost(self, tokens: int) -> int:
        """What a request of `tokens` costs here, in milli."""
        return tokens * MILLI if self.unit == TOKENS else MILLI


class Meter(msgspec.Struct, frozen=True, array_like=True):
    """What a bucket or a fixed window remembers, as of `updated_ms`.

    `capacity_milli` and `period_ms` are the terms it was last changed under. `generation` counts
    how often it started anew, so that no hold gives back to a meter that it did not charge.
    """

    kind: str
    level: int
    updated_ms: int
    capacity_milli: int
    period_ms: int
    remainder: int = 0
    drained: int = 0
    drained_remainder: int = 0
    window_start_ms: int = 0
    generation: int = 0


def meter_at(meter: Meter | None, terms: LimitTerms, now_ms: int) -> Meter:
    """The meter under `terms` once the time up to `now_ms` has passed.

    Changed terms count as if they had come at the meter's last change; another kind, or another
    window length, starts anew.
    """
    if terms.kind == FIXED_WINDOW:
        return _window_at(meter, terms, now_ms)
    if meter is None or meter.kind != terms.kind:
        return Meter(
            terms.kind,
            0,
            now_ms,
            terms.capacity_milli,
            terms.period_ms,
            generation=_next_generation(meter),
        )
    level, remainder, drained_remainder = meter.level, meter.remainder, meter.drained_remainder
    if meter.period_ms != terms.period_ms:
        remainder = drained_remainder = 0
    if terms.kind == TOKEN_BUCKET and meter.capacity_milli != terms.capacity_milli:
        level = max(0, level + terms.capacity_milli - meter.capacity_milli)
        if level == 0:
            remainder = 0
    elapsed_ms = now_ms - meter.updated_ms
    level, remainder = drain(level, remainder, elapsed_ms, terms.amount_milli, terms.period_ms)
    drained, drained_remainder = accrue(
        meter.drained, drained_remainder, elapsed_ms, terms.amount_milli, terms.period_ms
    )
    return Meter(
        terms.kind,
        level,
        now_ms,
        terms.capacity_milli,
        terms.period_ms,
        remainder,
        drained,
        drained_remainder,
        generation=meter.generation,
    )


def _next_generation(meter: Meter | None) -> int:
    return 0 if meter is None else meter.generation + 1


def _window_at(meter: Meter | None, terms: LimitTerms, now_ms: int) -> Meter:
    start_ms = now_ms - now_ms % terms.period_ms
    level = 0
    if meter is None or meter.kind != FIXED_WINDOW or meter.period_ms != terms.period_ms:
        generation = _next_generation(meter)
    else:
        generation = meter.generation
        level = meter.level if meter.window_start_ms == start_ms else 0
    return Meter(
        FIXED_WINDOW,
        level,
        now_ms,
        terms.capacity_milli,
        terms.period_ms,
        window_start_ms=start_ms,
        generation=generation,
    )


def charged(meter: Meter, cost_milli: int) -> Meter:
    """The meter after a charge, which may take it above its capacity."""
    return msgspec.structs.replace(meter, level=meter.level + cost_milli)


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Where a meter stood when it was charged, so that a refund knows what time has taken."""

    milli: int
    generation: int
    drained: int
    window_start_ms: int


def mark(meter: Meter, cost_milli: int) -> Mark:
    return Mark(cost_milli, meter.generation, meter.drained, meter.window_start_ms)


def refunded(meter: Meter, unused_milli: int, then: Mark) -> Meter:
    """The meter after a charge's unused part was given back, as far as time has not drained it.

    Buckets: `max(0, unused - drained since the charge)`; a window: all, iff it is still the same;
    a meter that started anew since: nothing. Never more than was charged, whatever the limit
    counts by now.
    """
    if meter.generation != then.generation:
        return meter
    unused_milli = min(unused_milli, then.milli)
    if meter.kind == FIXED_WINDOW:
        back = unused_milli if meter.window_start_ms == then.window_start_ms else 0
    else:
        back = max(0, unused_milli - drained_since(meter.drained, then.drained))
    if back == 0:
        return meter
    level = max(0, meter.level - back)
    return msgspec.structs.replace(
        meter, level=level, remainder=meter.remainder if level > 0 else 0
    )


def retry_after_ms(meter: Meter, terms: LimitTerms, cost_milli: int) -> int | None:
    """In how many ms a charge of `cost_milli` passes, if nothing but time happens; None: never."""
    if cost_milli > terms.capacity_milli:
        return None
    need_milli = meter.level + cost_milli - terms.capacity_milli
    if need_milli <= 0:
        return 0
    if terms.kind == FIXED_WINDOW:
        return meter.window_start_ms + terms.period_ms - meter.updated_ms
    return time_to_drain(need_milli, meter.remainder, terms.amount_milli, terms.period_ms)


def reset_after_ms(meter: Meter, terms: LimitTerms) -> int | None:
    """In how many ms nothing is used any more, if nothing but time happens; None: never."""
    if meter.level == 0:
        return 0
    if terms.kind == FIXED_WINDOW:
        return meter.window_start_ms + terms.period_ms - meter.updated_ms
    return time_to_drain(meter.level, meter.remainder, terms.amount_milli, terms.period_ms)
