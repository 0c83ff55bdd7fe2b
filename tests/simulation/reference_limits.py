"""The reference's limits: one memory per limit, levels as exact fractions of a thousandth.

Written from docs/rules.md alone. A memory is immutable; `seen_at` gives what it has become by a
later time under the terms of that time, and never looks back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

from schemas.limits import (
    ConcurrencyRule,
    FixedWindowRule,
    LeakyBucketRule,
    LimitKind,
    LimitRule,
    TokenBucketRule,
    Unit,
)

MILLI = 1000
MOST_SCALED = 10**15
BUCKETS = (LimitKind.LEAKY_BUCKET, LimitKind.TOKEN_BUCKET)


@dataclass(frozen=True)
class LimitTerms:
    """A limit as it applies to one account: capacity in thousandths, rate in thousandths a ms."""

    name: str
    kind: LimitKind
    unit: Unit
    capacity_milli: int
    rate: Fraction = Fraction(0)
    period_ms: int = 0
    window_ms: int = 0

    def cost_milli(self, tokens: int) -> int:
        """What a request of `tokens` costs on this limit."""
        return tokens * MILLI if self.unit is Unit.TOKENS else MILLI


def limit_terms(rule: LimitRule, multiplier: int) -> LimitTerms:
    """The rule for an account whose tier has `multiplier`."""
    factor = multiplier if rule.scaled else 1
    match rule:
        case LeakyBucketRule() | TokenBucketRule():
            return LimitTerms(
                rule.name,
                LimitKind(rule.kind),
                rule.unit,
                capacity_milli=_scaled(rule.capacity, factor) * MILLI,
                rate=Fraction(_scaled(rule.amount, factor) * MILLI, rule.period_ms),
                period_ms=rule.period_ms,
            )
        case FixedWindowRule():
            return LimitTerms(
                rule.name,
                LimitKind(rule.kind),
                rule.unit,
                capacity_milli=_scaled(rule.limit, factor) * MILLI,
                window_ms=rule.window_ms,
            )
        case ConcurrencyRule():
            return LimitTerms(
                rule.name,
                LimitKind(rule.kind),
                rule.unit,
                capacity_milli=_scaled(rule.limit, factor) * MILLI,
            )


def _scaled(figure: int, factor: int) -> int:
    return min(figure * factor, MOST_SCALED)


def applying_limits(
    policy_rules: Iterable[LimitRule], multiplier: int, own_rules: Iterable[LimitRule]
) -> list[LimitTerms]:
    """The policy's limits with the account's own in place of those of the same name, or behind."""
    terms = {rule.name: limit_terms(rule, multiplier) for rule in policy_rules}
    for rule in own_rules:
        terms[rule.name] = limit_terms(rule, multiplier=1)
    return list(terms.values())


@dataclass(frozen=True)
class LimitMemory:
    """What a bucket or a fixed window remembers. `life` tells it from those that started anew.

    `level` is what is used: in a leaky bucket, missing from a token bucket, spent in a window.
    `drained` is what time could have drained so far, had there always been something to drain.
    """

    life: int | None
    kind: LimitKind
    at_ms: int
    level: Fraction
    capacity_milli: int
    period_ms: int
    window_ms: int
    window_start_ms: int
    drained: Fraction

    @property
    def used_milli(self) -> int:
        """The level in whole thousandths, rounded up as the rules keep it."""
        return ceil(self.level)

    def raised(self, milli: int) -> "LimitMemory":
        return replace(self, level=self.level + milli)

    def lowered(self, milli: int) -> "LimitMemory":
        return replace(self, level=max(Fraction(0), self.level - milli))


def seen_at(memory: LimitMemory | None, terms: LimitTerms, at_ms: int) -> LimitMemory:
    """What the limit has become by `at_ms`; a fresh one has no `life` yet."""
    if (
        memory is None
        or memory.kind is not terms.kind
        or (terms.kind is LimitKind.FIXED_WINDOW and memory.window_ms != terms.window_ms)
    ):
        return _fresh(terms, at_ms)
    if terms.kind is LimitKind.FIXED_WINDOW:
        return _turned(memory, terms, at_ms)
    return _drained(memory, terms, at_ms)


def _fresh(terms: LimitTerms, at_ms: int) -> LimitMemory:
    return LimitMemory(
        life=None,
        kind=terms.kind,
        at_ms=at_ms,
        level=Fraction(0),
        capacity_milli=terms.capacity_milli,
        period_ms=terms.period_ms,
        window_ms=terms.window_ms,
        window_start_ms=_window_start(terms, at_ms),
        drained=Fraction(0),
    )


def _turned(memory: LimitMemory, terms: LimitTerms, at_ms: int) -> LimitMemory:
    start_ms = _window_start(terms, at_ms)
    same = start_ms == memory.window_start_ms
    return replace(
        memory,
        at_ms=at_ms,
        level=memory.level if same else Fraction(0),
        capacity_milli=terms.capacity_milli,
        window_start_ms=start_ms,
    )


def _drained(memory: LimitMemory, terms: LimitTerms, at_ms: int) -> LimitMemory:
    level, drained = memory.level, memory.drained
    if memory.period_ms != terms.period_ms:
        level, drained = Fraction(ceil(level)), Fraction(floor(drained))
    if terms.kind is LimitKind.TOKEN_BUCKET:
        available = memory.capacity_milli - level
        level = max(Fraction(0), terms.capacity_milli - available)
    fall = terms.rate * (at_ms - memory.at_ms)
    return replace(
        memory,
        at_ms=at_ms,
        level=max(Fraction(0), level - fall),
        capacity_milli=terms.capacity_milli,
        period_ms=terms.period_ms,
        drained=drained + fall,
    )


def _window_start(terms: LimitTerms, at_ms: int) -> int:
    return at_ms - at_ms % terms.window_ms if terms.window_ms else 0


@dataclass(frozen=True)
class ChargedLimit:
    """What a hold remembers of a limit that it charged."""

    life: int | None
    drained: Fraction
    window_start_ms: int


def refund_milli(charged: ChargedLimit, memory: LimitMemory, unused_milli: int) -> int:
    """How far the level falls when `unused_milli` of a charge come back."""
    if charged.life != memory.life:
        return 0
    if memory.kind is LimitKind.FIXED_WINDOW:
        return unused_milli if charged.window_start_ms == memory.window_start_ms else 0
    return max(0, unused_milli - (floor(memory.drained) - floor(charged.drained)))
