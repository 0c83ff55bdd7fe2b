"""What deciding one command is given, and what it gives back."""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from pipelines.accounts.memory import AccountMemory
from pipelines.accounts.messages import (
    AccountEvent,
    Denied,
    LimitReading,
    QuotaReading,
    Reply,
    Violation,
)
from pipelines.accounts.terms import Rules
from schemas.commands import AccountCommand, Consume, Reserve
from schemas.hold_ids import HoldOrigin, encode_hold_id
from schemas.outcomes import Outcome

Decided = Sequence[AccountEvent]
"""The events of a decision, in order; the last one is what its reply is made of."""


class Context(NamedTuple):
    """Everything that a decision may depend on, beside the command itself."""

    memory: AccountMemory
    rules: Rules
    now_ms: int
    payload_digest: str
    partition: int
    offset: int
    place: int
    """(partition, offset, place): where the command stands in the log."""

    def new_hold_id(self) -> str:
        """The id of the hold that this command makes: its place in the log."""
        origin = HoldOrigin(self.memory.account_id, self.partition, self.offset, self.place)
        return encode_hold_id(origin)


class Decision(NamedTuple):
    """Events (none for queries and repeats) and the answer."""

    events: Decided
    reply: Reply


def payload_digest(command: AccountCommand) -> str:
    """SHA-256 of what a command asks for, whoever carries it: what a repeat must share.

    The order of its labels does not count.
    """
    if isinstance(command, Consume | Reserve) and command.labels:
        labels = dict(sorted(command.labels.items()))
        command = command.model_copy(update={"labels": labels})
    payload = command.__pydantic_serializer__.to_json(
        command,
        by_alias=True,
        exclude_none=True,
        exclude={"command_id", "reply_to", "signature"},
    )
    return sha256(payload).hexdigest()


def denied(
    context: Context,
    command: AccountCommand,
    outcome: Outcome,
    *,
    provider: str | None = None,
    tokens: int | None = None,
    hold_id: str | None = None,
    violations: tuple[Violation, ...] = (),
    retry_after_ms: int | None = None,
    limits: tuple[LimitReading, ...] = (),
    quota: QuotaReading | None = None,
    detail: str | None = None,
) -> Denied:
    """The event of a refusal."""
    return Denied(
        account=context.memory.account_id,
        at_ms=context.now_ms,
        command_id=command.command_id,
        actor=command.actor,
        policy_version=context.rules.version,
        command=command.type,
        outcome=outcome,
        provider=provider,
        tokens=tokens,
        hold_id=hold_id,
        violations=violations,
        retry_after_ms=retry_after_ms,
        limits=limits,
        quota=quota,
        detail=detail,
    )
