"""Rules of the privileged commands: balances, tier, status and an account's own limits."""

from typing import Any

from pipelines.accounts.decision import Context, Decided, denied
from pipelines.accounts.messages import Allocated, LimitsSet, Revoked, StatusSet, TierSet
from pipelines.accounts.pots import quota_move
from pipelines.accounts.standing import allowance_events, read_quota, standing
from schemas.commands import Allocate, Privileged, Revoke, SetLimits, SetStatus, SetTier
from schemas.lean import lean_of
from schemas.outcomes import Outcome
from state import quotas


def administer(context: Context, command: Privileged) -> Decided:
    """Apply a privileged command whose signature has been checked."""
    match command:
        case Allocate() | Revoke():
            return _move_balance(context, command)
        case SetTier():
            return _set_tier(context, command)
        case SetStatus():
            return (
                StatusSet(
                    **_common(context, command), status=command.status, reason=command.reason
                ),
            )
        case SetLimits():
            return _set_limits(context, command)


def _common(context: Context, command: Privileged) -> dict[str, Any]:
    return {
        "account": context.memory.account_id,
        "at_ms": context.now_ms,
        "command_id": command.command_id,
        "actor": command.actor,
        "policy_version": context.rules.version,
        "payload_digest": context.payload_digest,
    }


def _move_balance(context: Context, command: Allocate | Revoke) -> Decided:
    known = command.provider in context.rules.providers
    held = command.provider in context.memory.account.providers
    if not known and not (held and isinstance(command, Revoke)):
        return _unknown_provider(context, command)
    stood = standing(context.memory, context.rules, command.provider, context.now_ms, opening=False)
    if isinstance(command, Allocate):
        after = quotas.allocated(stood.quota, command.tokens)
        moved = command.tokens
    else:
        after = quotas.revoked(stood.quota, command.tokens)
        moved = after.revoked - stood.quota.revoked
    sort = Allocated if isinstance(command, Allocate) else Revoked
    event = sort(
        **_common(context, command),
        quota_move=quota_move(stood.quota, after),
        provider=command.provider,
        tokens=moved,
        requested_tokens=command.tokens,
        quota=read_quota(after, stood.terms, context.now_ms),
    )
    return (*allowance_events(context.memory, context.rules, stood, context.now_ms), event)


def _set_tier(context: Context, command: SetTier) -> Decided:
    tier = None if command.tier is None else context.rules.resolve_tier(command.tier)
    if command.tier is not None and tier is None:
        names = ", ".join(sorted(context.rules.policy.tiers))
        detail = f"the policy has no tier {command.tier}; it has {names}"
        return (denied(context, command, Outcome.UNKNOWN_TIER, detail=detail),)
    return (TierSet(**_common(context, command), tier=tier),)


def _set_limits(context: Context, command: SetLimits) -> Decided:
    if command.limits and command.provider not in context.rules.providers:
        return _unknown_provider(context, command)
    return (
        LimitsSet(
            **_common(context, command),
            provider=command.provider,
            limits=tuple(lean_of(rule) for rule in command.limits),
        ),
    )


def _unknown_provider(context: Context, command: Allocate | Revoke | SetLimits) -> Decided:
    return (denied(context, command, Outcome.UNKNOWN_PROVIDER, provider=command.provider),)
