"""Events of the accounts pipeline, version 1: what `accounts.events` carries.

An event says what was decided, and with it everything that `evolve` needs to change the account.
Its identity is the causing record's place in the log plus an index; each account's events form a
hash chain (`previousHash` is the SHA-256 of the account's previous event as published), and a
command's last event carries its reply's SHA-256.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import AccountId, EpochMs, Message
from schemas.commands import AccountStatus, Labels, Sha256
from schemas.limits import LimitChange, LimitReading, LimitRule, Violation
from schemas.outcomes import Outcome
from schemas.quotas import QuotaMove, QuotaReading


class Origin(Message):
    """Where in the log the cause stands; `index` counts the record's events."""

    topic: str
    partition: int
    offset: int
    index: int


class Seal(Message):
    """What makes an event provable: its identity, its place in the chain, its reply."""

    origin: Origin
    previous_hash: Sha256 | None = None
    reply_digest: Sha256 | None = None


class _Event(Message):
    seal: Seal | None = None
    """Put in front when the event is published; None while it is being decided."""
    type: str
    version: Literal[1] = 1
    account: AccountId | None = None
    """The account; None for events of a partition (`policy-applied`)."""
    at_ms: EpochMs
    """When it holds: the decision's time; for an expiry the hold's deadline."""
    command_id: str | None = None
    actor: str | None = None
    policy_version: int

    @property
    def encoded(self) -> bytes:
        """The event's own bytes, encoded once: published behind a seal, and kept for repeats.

        Kept as functools.cached_property does, without the lock that it takes in Python 3.11.
        """
        kept: bytes | None = self.__dict__.get("encoded")
        if kept is None:
            kept = self.__dict__["encoded"] = self.to_json()
        return kept


class _Charge(_Event):
    provider: str
    tokens: int
    model: str | None = None
    labels: Labels | None = None
    limits: tuple[LimitChange, ...]
    quota_move: QuotaMove
    quota: QuotaReading
    payload_digest: str
    repeatable_until_ms: EpochMs


class Consumed(_Charge):
    """A consume was granted and charged."""

    type: Literal["consumed"] = "consumed"


class Reserved(_Charge):
    """A reserve was granted; `tokens` are held until `deadline_ms`."""

    type: Literal["reserved"] = "reserved"
    hold_id: str
    deadline_ms: EpochMs


class _HoldClosed(_Event):
    provider: str
    hold_id: str
    held_tokens: int
    """What the hold held when it was closed (0 when it had expired before)."""
    reserve_command_id: str
    remembered_until_ms: EpochMs
    limits: tuple[LimitChange, ...]
    quota_move: QuotaMove
    quota: QuotaReading


class Settled(_HoldClosed):
    """A hold was settled with `tokens`. `late`: after it had expired."""

    type: Literal["settled"] = "settled"
    tokens: int
    late: bool = False


class Voided(_HoldClosed):
    """A hold was given back on request."""

    type: Literal["voided"] = "voided"
    reason: str | None = None


class HoldExpired(_HoldClosed):
    """A hold's deadline passed; given back as of that moment."""

    type: Literal["hold-expired"] = "hold-expired"


class Denied(_Event):
    """A command was refused; nothing changed. Every limit that failed is named."""

    type: Literal["denied"] = "denied"
    command: str
    outcome: Outcome
    provider: str | None = None
    tokens: int | None = None
    hold_id: str | None = None
    violations: tuple[Violation, ...] = ()
    retry_after_ms: int | None = None
    limits: tuple[LimitReading, ...] = ()
    quota: QuotaReading | None = None
    detail: str | None = None


class AllowanceChanged(_Event):
    """An allowance window opened, ended, or follows changed terms.

    What was free in the window before has lapsed; open holds of it are carried as `heldPast`.
    """

    type: Literal["allowance-changed"] = "allowance-changed"
    provider: str
    cause: Literal["window-opened", "window-ended", "terms-changed"]
    window_start_ms: EpochMs | None = None
    window_end_ms: EpochMs | None = None
    allowance_tokens: int
    quota_move: QuotaMove


class _Balance(_Event):
    provider: str
    tokens: int
    requested_tokens: int
    quota_move: QuotaMove
    quota: QuotaReading
    payload_digest: str


class Allocated(_Balance):
    """Purchased tokens were added."""

    type: Literal["allocated"] = "allocated"


class Revoked(_Balance):
    """Purchased tokens were taken back: `tokens` of the `requested_tokens`."""

    type: Literal["revoked"] = "revoked"


class TierSet(_Event):
    type: Literal["tier-set"] = "tier-set"
    tier: str | None = None
    payload_digest: str


class StatusSet(_Event):
    type: Literal["status-set"] = "status-set"
    status: AccountStatus
    reason: str | None = None
    payload_digest: str


class LimitsSet(_Event):
    type: Literal["limits-set"] = "limits-set"
    provider: str
    limits: tuple[LimitRule, ...]
    payload_digest: str


class PolicyApplied(_Event):
    """The partition decides by this policy from here on."""

    type: Literal["policy-applied"] = "policy-applied"
    policy_name: str
    policy_digest: str


class DecisionFailed(_Event):
    """Deciding a command raised; nothing changed, and a replay meets the same gap."""

    type: Literal["decision-failed"] = "decision-failed"
    command: str
    place: int
    """The command's place in its record."""
    error: str
    """The sort of the error; what it said is in the dead letter."""


AccountEvent = (
    Consumed
    | Reserved
    | Settled
    | Voided
    | HoldExpired
    | Denied
    | AllowanceChanged
    | Allocated
    | Revoked
    | TierSet
    | StatusSet
    | LimitsSet
    | DecisionFailed
)
Event = AccountEvent | PolicyApplied

EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
"""Parses one event: `validate_json(bytes)`; raises `pydantic.ValidationError`."""
