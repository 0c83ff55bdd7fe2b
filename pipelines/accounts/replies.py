"""Replies: each a function of the event it answers with, so that a repeat says the same again."""

from typing import Any

from pipelines.accounts.memory import AccountMemory
from pipelines.accounts.messages import (
    AccountEvent,
    AccountReading,
    Allocated,
    AllowanceChanged,
    Consumed,
    Denied,
    HoldExpired,
    HoldReading,
    LimitsSet,
    ProviderReading,
    Reply,
    Reserved,
    Revoked,
    Settled,
    StatusSet,
    TierSet,
    Voided,
)
from pipelines.accounts.standing import limit_reading, standing
from pipelines.accounts.terms import Rules
from schemas.commands import AccountStatus, Query
from schemas.outcomes import Outcome
from schemas.replies import HoldState

_ADMINISTRATIVE = {
    Allocated: "allocate",
    Revoked: "revoke",
    TierSet: "set-tier",
    StatusSet: "set-status",
    LimitsSet: "set-limits",
}


def reply_of(
    event: AccountEvent, *, replayed: bool = False, hold: HoldReading | None = None
) -> Reply:
    """The reply that an event answers with; `hold` where a repeat finds it changed since."""
    common: dict[str, Any] = {
        "command_id": event.command_id,
        "account": event.account,
        "at_ms": event.at_ms,
        "policy_version": event.policy_version,
        "replayed": replayed,
    }
    match event:
        case Consumed() | Reserved():
            return Reply(
                **common,
                command="consume" if isinstance(event, Consumed) else "reserve",
                outcome=Outcome.GRANTED,
                provider=event.provider,
                tokens=event.tokens,
                hold=hold or (_held(event) if isinstance(event, Reserved) else None),
                limits=tuple(limit_reading(change) for change in event.limits),
                quota=event.quota,
            )
        case Settled() | Voided():
            settled = event.tokens if isinstance(event, Settled) else None
            return Reply(
                **common,
                command="void" if settled is None else "settle",
                outcome=Outcome.VOIDED if settled is None else Outcome.SETTLED,
                provider=event.provider,
                tokens=settled or 0,
                hold=HoldReading(
                    id=event.hold_id,
                    state=HoldState.VOIDED if settled is None else HoldState.SETTLED,
                    held_tokens=event.held_tokens,
                    settled_tokens=settled,
                    late=event.late if isinstance(event, Settled) else None,
                ),
                limits=tuple(limit_reading(change) for change in event.limits),
                quota=event.quota,
            )
        case Denied():
            return Reply(
                **common,
                command=event.command,
                outcome=event.outcome,
                detail=event.detail,
                provider=event.provider,
                tokens=event.tokens,
                limits=event.limits,
                violations=event.violations,
                retry_after_ms=event.retry_after_ms,
                quota=event.quota,
            )
        case HoldExpired() | AllowanceChanged():
            raise TypeError(f"a {event.type} event answers no command")
        case _:
            return _administrative(event, common)


def _administrative(event: AccountEvent, common: dict[str, Any]) -> Reply:
    balance = event if isinstance(event, Allocated | Revoked) else None
    return Reply(
        **common,
        command=_ADMINISTRATIVE[type(event)],
        outcome=Outcome.APPLIED,
        provider=balance.provider if balance else None,
        tokens=balance.tokens if balance else None,
        quota=balance.quota if balance else None,
    )


def _held(event: Reserved) -> HoldReading:
    return HoldReading(
        id=event.hold_id,
        state=HoldState.OPEN,
        held_tokens=event.tokens,
        deadline_ms=event.deadline_ms,
    )


def answer_query(memory: AccountMemory, rules: Rules, query: Query, now_ms: int) -> Reply:
    """What an account has, of one provider or of all that the policy or the account knows."""
    account = memory.account
    known = sorted(rules.providers | account.providers.keys())
    providers = [query.provider] if query.provider is not None else known
    unknown = query.provider is not None and query.provider not in known
    return Reply(
        command_id=query.command_id,
        command=query.type,
        account=memory.account_id,
        at_ms=now_ms,
        policy_version=rules.version,
        outcome=Outcome.UNKNOWN_PROVIDER if unknown else Outcome.ANSWERED,
        provider=query.provider,
        reading=AccountReading(
            tier=rules.tier_name(memory.account_id, account),
            status=AccountStatus(account.status),
            open_holds=len(account.open_holds),
            updated_at_ms=account.updated_ms,
            providers=tuple(
                _provider_reading(memory, rules, provider, now_ms)
                for provider in ([] if unknown else providers)
            ),
        ),
    )


def _provider_reading(
    memory: AccountMemory, rules: Rules, provider: str, now_ms: int
) -> ProviderReading:
    stood = standing(memory, rules, provider, now_ms, opening=False)
    quota = stood.quota_reading()
    return ProviderReading(
        provider=provider,
        known=quota.total_tokens > 0 or stood.stored.purchased > 0,
        quota=quota,
        limits=stood.readings(),
    )
