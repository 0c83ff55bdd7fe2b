"""What an account remembers: its record, its holds, and the answers it may have to repeat."""

import msgspec

from state.limits import LimitTerms, Mark, Meter
from state.quotas import EMPTY, Quota

OPEN = "open"
SUSPENDED = "suspended"
CLOSED = "closed"

HOLD_OPEN = "open"
HOLD_SETTLED = "settled"
HOLD_VOIDED = "voided"
HOLD_EXPIRED = "expired"


class OpenHold(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An open hold as the account's record lists it, in order of expiry.

    (offset, index) is the place of its reserve in the partition's log, and its identity.
    """

    deadline_ms: int
    offset: int
    index: int
    provider: str
    tokens: int


class OwnLimit(msgspec.Struct, frozen=True, array_like=True):
    """A limit that belongs to the account itself; the fields of `LimitTerms`."""

    name: str
    kind: str
    unit: str
    capacity_milli: int
    amount_milli: int
    period_ms: int

    def terms(self) -> LimitTerms:
        return LimitTerms(
            self.name,
            self.kind,
            self.unit,
            self.capacity_milli,
            self.amount_milli,
            self.period_ms,
        )


class ProviderState(msgspec.Struct, array_like=True):
    """Quota and meters (by the limit's name) of one provider."""

    quota: Quota = EMPTY
    meters: dict[str, Meter] = {}


class Account(msgspec.Struct, array_like=True):
    """One account's record.

    `head` is the SHA-256 of its last event as published (empty before the first one).
    `wakeups` are the wake-up buckets that already list the account. `lasting_answers`: whether a
    privileged command took effect, so that only then its answers are looked for.
    """

    tier: str | None = None
    status: str = OPEN
    updated_ms: int | None = None
    head: bytes = b""
    providers: dict[str, ProviderState] = {}
    own_limits: dict[str, tuple[OwnLimit, ...]] = {}
    open_holds: list[OpenHold] = []
    wakeups: list[int] = []
    lasting_answers: bool = False


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """A hold with all that closing it needs.

    `of_allowance` + `of_purchased` = `tokens`; `marks` by the name of the charged limit.
    `settled_tokens` counts once `state` is settled; `remembered_until_ms` once it is not open.
    """

    provider: str
    tokens: int
    deadline_ms: int
    command_id: str
    of_allowance: int
    of_purchased: int
    window_start_ms: int | None
    marks: dict[str, Mark]
    state: str = HOLD_OPEN
    settled_tokens: int = 0
    remembered_until_ms: int = 0


class Answered(msgspec.Struct, frozen=True, array_like=True):
    """A command that took effect: what it asked, and the event that its reply is made of.

    `repeatable_until_ms` None: for ever. `hold`: (offset, index) of the hold it made.
    """

    payload_digest: bytes
    event: bytes
    repeatable_until_ms: int | None
    hold: tuple[int, int] | None = None
