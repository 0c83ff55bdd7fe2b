"""Replies, version 1: one per command that asked for one, on the topic it named.

The body is a function of the log alone. What belongs to one request (`request-id`,
`correlation-id`, `traceparent`) travels in record headers, copied from the command's.
"""

from enum import StrEnum
from typing import Literal

from schemas.base import EpochMs, Message
from schemas.commands import AccountStatus
from schemas.limits import LimitReading, Violation
from schemas.outcomes import Outcome
from schemas.quotas import QuotaReading


class HoldState(StrEnum):
    OPEN = "open"
    SETTLED = "settled"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldReading(Message):
    """A hold: `held_tokens` at stake while open, `settled_tokens` once settled.

    `late`: whether it was settled after it had expired; the first answer to a settle says so.
    """

    id: str
    state: HoldState
    held_tokens: int
    settled_tokens: int | None = None
    late: bool | None = None
    deadline_ms: EpochMs | None = None


class ProviderReading(Message):
    """What a query says of one provider. `known`: whether there is an allowance or a purchase."""

    provider: str
    known: bool
    quota: QuotaReading
    limits: tuple[LimitReading, ...]


class AccountReading(Message):
    """What a query says of an account."""

    tier: str
    status: AccountStatus
    open_holds: int
    updated_at_ms: EpochMs | None = None
    """When the account last changed; None before its first command."""
    providers: tuple[ProviderReading, ...]


class Reply(Message):
    """The answer to one command.

    `outcome` is the stable code, `detail` its sentence. `tokens`: charged (consume, settle), held
    (reserve) or moved (allocate, revoke). `replayed`: the first answer to the same command again.
    """

    type: Literal["reply"] = "reply"
    version: Literal[1] = 1
    command_id: str | None = None
    command: str | None = None
    account: str | None = None
    outcome: Outcome
    at_ms: EpochMs
    policy_version: int | None = None
    replayed: bool = False
    detail: str | None = None
    provider: str | None = None
    tokens: int | None = None
    hold: HoldReading | None = None
    limits: tuple[LimitReading, ...] = ()
    violations: tuple[Violation, ...] = ()
    retry_after_ms: int | None = None
    quota: QuotaReading | None = None
    reading: AccountReading | None = None
