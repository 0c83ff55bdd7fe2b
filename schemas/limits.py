"""Limits as a policy states them, and as replies and events report them."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import DurationMs, Message, Name

Amount = Annotated[int, Field(gt=0, le=10**12)]


class LimitKind(StrEnum):
    LEAKY_BUCKET = "leaky-bucket"
    TOKEN_BUCKET = "token-bucket"  # noqa: S105 - the name of an algorithm
    FIXED_WINDOW = "fixed-window"
    CONCURRENCY = "concurrency"


class Unit(StrEnum):
    """What a limit counts: the tokens of a request, or the request itself as one."""

    TOKENS = "tokens"
    REQUESTS = "requests"


class _Rule(Message):
    kind: str
    name: Name
    unit: Unit = Unit.TOKENS
    scaled: bool = True
    """Whether the tier's multiplier applies (to capacity and rate alike)."""


class LeakyBucketRule(_Rule):
    """A bucket that charges fill and time empties: `amount` units leak every `period_ms`."""

    kind: Literal["leaky-bucket"] = "leaky-bucket"
    capacity: Amount
    amount: Annotated[int, Field(ge=0, le=10**12)]
    period_ms: Annotated[int, Field(gt=0, le=10**10)] = 1000


class TokenBucketRule(_Rule):
    """A bucket that starts full, charges empty and time refills: `amount` every `period_ms`."""

    kind: Literal["token-bucket"] = "token-bucket"
    capacity: Amount
    amount: Annotated[int, Field(ge=0, le=10**12)]
    period_ms: Annotated[int, Field(gt=0, le=10**10)] = 1000


class FixedWindowRule(_Rule):
    """At most `limit` units in each window of `window_ms`; windows start at its multiples."""

    kind: Literal["fixed-window"] = "fixed-window"
    limit: Amount
    window_ms: Annotated[int, Field(gt=0, le=10**11)] = 60_000


class ConcurrencyRule(_Rule):
    """At most `limit` units held at once: open holds, or the tokens that they hold."""

    kind: Literal["concurrency"] = "concurrency"
    limit: Amount
    unit: Unit = Unit.REQUESTS


LimitRule = Annotated[
    LeakyBucketRule | TokenBucketRule | FixedWindowRule | ConcurrencyRule,
    Field(discriminator="kind"),
]


class LimitReading(Message):
    """Where a limit stands, in whole units. `used` is rounded up, `remaining` down.

    `reset_ms`: in how many milliseconds nothing would be used any more if nothing else happened;
    None when time alone does not reset it. `window_ms`: how long a bucket takes from full use to
    none, or the window's length; None where there is no such time.
    """

    name: Name
    kind: LimitKind
    unit: Unit
    limit: int
    used: int
    remaining: int
    window_ms: DurationMs | None = None
    reset_ms: DurationMs | None = None


class LimitChange(Message):
    """A limit before and after an event, in thousandths of its unit, with all that it remembers.

    `before` counts what is used once the time up to the event has drained; `after` adds the charge
    or takes off the refund. A token bucket's `after` is what is missing from a full one.
    """

    name: Name
    kind: LimitKind
    unit: Unit
    limit: int
    before: int
    after: int
    period_ms: int = 0
    """The bucket's period or the window's length."""
    remainder: int = 0
    """What has drained below a thousandth, in 1/period_ms of one (buckets)."""
    drained: int = 0
    """All that time could have drained since the bucket exists, in thousandths, rounded down."""
    drained_remainder: int = 0
    """What was rounded off `drained`, in 1/period_ms of a thousandth."""
    window_start_ms: int = 0
    generation: int = 0
    """How often this limit started anew, with another kind or window length."""
    window_ms: DurationMs | None = None
    reset_ms: DurationMs | None = None


class Violation(Message):
    """A limit that refused, and when it alone would let the same request pass.

    `retry_after_ms` is exact: refused until then, passing at then, if nothing else happens; None
    when time cannot cure it.
    """

    name: str
    outcome: str
    unit: Unit
    limit: int
    requested: int
    remaining: int
    retry_after_ms: DurationMs | None = None
