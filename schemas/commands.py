"""Commands to the accounts pipeline, version 1: what `accounts.commands` carries.

A record's value is one command, or an array of commands whose accounts share the record's
partition (decided in order, at one time). Partition commands (`policy`, `tick`) never ride in
arrays. `commandId` makes a command idempotent; `replyTo` asks for an answer.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, model_validator

from schemas.base import (
    AccountId,
    CommandId,
    Message,
    Name,
    PositiveTokens,
    ProviderName,
    ReplyTo,
    Tokens,
)
from schemas.limits import LimitRule
from schemas.policies import PolicyDocument

HoldId = Annotated[str, StringConstraints(pattern=r"^hold_[A-Za-z0-9_-]{8,200}$")]
"""A reservation's id; opaque to clients (see `schemas.hold_ids`)."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Labels = Annotated[dict[Label, Label], Field(max_length=8)]
Actor = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Reason = Annotated[str, StringConstraints(max_length=200)]


class AccountStatus(StrEnum):
    OPEN = "open"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Signature(Message):
    """Who signed a privileged command: Ed25519 over the RFC 8785 form without `signature`."""

    key_id: Name
    value: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")]


class _Command(Message):
    type: str
    version: Literal[1] = 1
    command_id: CommandId
    reply_to: ReplyTo | None = None


class _AccountCommand(_Command):
    account: AccountId
    actor: Actor | None = None
    """Who asked, where that is not the account itself; kept in events."""


class _Admission(_AccountCommand):
    provider: ProviderName
    tokens: PositiveTokens
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    labels: Labels | None = None
    request_digest: Sha256 | None = None
    """Digest of what else the caller asked for; part of what makes a repeat the same."""


class Consume(_Admission):
    """Decide and charge at once."""

    type: Literal["consume"] = "consume"


class Reserve(_Admission):
    """Decide and hold; `settle`, `void` or the deadline ends the hold."""

    type: Literal["reserve"] = "reserve"
    hold_ttl_ms: Annotated[int, Field(ge=1000, le=600_000)] | None = None


class Settle(_AccountCommand):
    """Charge what a hold really took: `tokens` may be below, at or above what it holds."""

    type: Literal["settle"] = "settle"
    hold_id: HoldId
    tokens: Tokens


class Void(_AccountCommand):
    """Give a hold back as if it had never been."""

    type: Literal["void"] = "void"
    hold_id: HoldId
    reason: Reason | None = None


class Query(_AccountCommand):
    """Read an account consistently: all providers, or one."""

    type: Literal["query"] = "query"
    provider: ProviderName | None = None


class _Privileged(_AccountCommand):
    signature: Signature | None = None


class Allocate(_Privileged):
    """Add purchased tokens, once per command id, for ever."""

    type: Literal["allocate"] = "allocate"
    provider: ProviderName
    tokens: PositiveTokens


class Revoke(_Privileged):
    """Take back what is left of purchased tokens: at most `tokens`, at most what is free."""

    type: Literal["revoke"] = "revoke"
    provider: ProviderName
    tokens: PositiveTokens


class SetTier(_Privileged):
    """Give the account a tier of the policy; None returns it to the default tier."""

    type: Literal["set-tier"] = "set-tier"
    tier: Name | None
    """Required, so that a misspelt name of this field does not take the tier away."""

    def to_json(self) -> bytes:
        """As of every message, but with null fields: `tier: null` says something."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True)


class SetStatus(_Privileged):
    """Open, suspend or close the account; only `consume` and `reserve` are refused then."""

    type: Literal["set-status"] = "set-status"
    status: AccountStatus
    reason: Reason | None = None


class SetLimits(_Privileged):
    """Set the account's own limits for a provider, each over its tier's of the same name.

    They are taken as they stand, without the tier's multiplier. An empty list removes them.
    """

    type: Literal["set-limits"] = "set-limits"
    provider: ProviderName
    limits: Annotated[tuple[LimitRule, ...], Field(max_length=16)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({limit.name for limit in self.limits}) != len(self.limits):
            raise ValueError("limits has two limits of the same name")
        return self


class PublishPolicy(_Command):
    """Bring a policy to the partition it is sent to; sent to every partition."""

    type: Literal["policy"] = "policy"
    policy: PolicyDocument
    signature: Signature | None = None


class Tick(Message):
    """Let time pass on the partition it is sent to. Carries nothing: the time is the broker's."""

    type: Literal["tick"] = "tick"
    version: Literal[1] = 1


Admission = Consume | Reserve
Privileged = Allocate | Revoke | SetTier | SetStatus | SetLimits
AccountCommand = (
    Consume | Reserve | Settle | Void | Query | Allocate | Revoke | SetTier | SetStatus | SetLimits
)
PartitionCommand = PublishPolicy | Tick
Command = AccountCommand | PartitionCommand

COMMAND_ADAPTER: TypeAdapter[Command] = TypeAdapter(
    Annotated[
        Consume
        | Reserve
        | Settle
        | Void
        | Query
        | Allocate
        | Revoke
        | SetTier
        | SetStatus
        | SetLimits
        | PublishPolicy
        | Tick,
        Field(discriminator="type"),
    ]
)
"""Parses one command: `validate_json(bytes)`; raises `pydantic.ValidationError`."""
