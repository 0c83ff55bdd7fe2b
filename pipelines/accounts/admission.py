"""Rules of consume and reserve: all limits are checked, then all are charged, or none."""

from collections.abc import Iterator
from typing import Any

from pipelines.accounts.decision import Context, Decided, denied
from pipelines.accounts.forecast import concurrency_retry_ms, meter_retry_ms, quota_retry_ms
from pipelines.accounts.messages import (
    AccountEvent,
    Consumed,
    Denied,
    LimitChange,
    Reserved,
    Violation,
)
from pipelines.accounts.pots import quota_move
from pipelines.accounts.standing import (
    Standing,
    allowance_events,
    concurrency_change,
    meter_change,
    quota_reading,
    read_quota,
    standing,
)
from schemas.commands import Admission, Consume
from schemas.limits import Unit
from schemas.outcomes import Outcome
from state import quotas
from state.accounts import CLOSED, SUSPENDED
from state.limits import CONCURRENCY, LimitTerms, charged

OPEN_HOLDS = "open-holds"
"""The name of the built-in limit on an account's open holds (the policy's `maxOpenHolds`)."""


def admit(context: Context, command: Admission) -> Decided:
    """Grant a consume or a reserve, or say every limit that refuses it."""
    memory, rules = context.memory, context.rules
    if memory.account.status == SUSPENDED:
        return _refused(context, command, Outcome.ACCOUNT_SUSPENDED)
    if memory.account.status == CLOSED:
        return _refused(context, command, Outcome.ACCOUNT_CLOSED)
    if command.provider not in rules.providers:
        return _refused(context, command, Outcome.UNKNOWN_PROVIDER)
    stood = standing(memory, rules, command.provider, context.now_ms, opening=True)
    violations = tuple(_violations(context, command, stood))
    if violations:
        refusal = _limited(context, command, stood, violations)
        if stood.after_refusal is stood.stored:
            return (refusal,)
        return (*allowance_events(memory, rules, stood, context.now_ms), refusal)
    return (
        *allowance_events(memory, rules, stood, context.now_ms),
        _grant(context, command, stood),
    )


def _violations(context: Context, command: Admission, stood: Standing) -> Iterator[Violation]:
    memory = context.memory
    if command.tokens > stood.quota.remaining:
        yield Violation(
            name="quota",
            outcome=Outcome.QUOTA_EXHAUSTED,
            unit=Unit.TOKENS,
            limit=stood.quota.total,
            requested=command.tokens,
            remaining=stood.quota.remaining,
            retry_after_ms=quota_retry_ms(memory, stood, command.tokens),
        )
    for limit in stood.terms.limits:
        cost_milli = limit.cost(command.tokens)
        if limit.kind == CONCURRENCY:
            used, passing = stood.holding_milli(limit), Outcome.CONCURRENCY_LIMITED
        else:
            used, passing = stood.meters[limit.name].level, Outcome.RATE_LIMITED
        if used + cost_milli > limit.capacity_milli:
            yield _limit_violation(context, stood, limit, cost_milli, used, passing)
    if not isinstance(command, Consume):
        yield from _open_holds_violation(context)


def _limit_violation(
    context: Context,
    stood: Standing,
    limit: LimitTerms,
    cost_milli: int,
    used_milli: int,
    outcome: Outcome,
) -> Violation:
    if limit.kind == CONCURRENCY:
        retry_ms = concurrency_retry_ms(stood, limit, cost_milli)
    else:
        retry_ms = meter_retry_ms(context.memory, stood, limit, cost_milli)
    too_large = cost_milli > limit.capacity_milli
    return Violation(
        name=limit.name,
        outcome=Outcome.EXCEEDS_CAPACITY if too_large else outcome,
        unit=Unit(limit.unit),
        limit=limit.capacity_milli // 1000,
        requested=cost_milli // 1000,
        remaining=max(0, (limit.capacity_milli - used_milli) // 1000),
        retry_after_ms=retry_ms,
    )


def _open_holds_violation(context: Context) -> Iterator[Violation]:
    open_holds = context.memory.account.open_holds
    limit = context.rules.policy.max_open_holds
    if len(open_holds) >= limit:
        yield Violation(
            name=OPEN_HOLDS,
            outcome=Outcome.CONCURRENCY_LIMITED,
            unit=Unit.REQUESTS,
            limit=limit,
            requested=1,
            remaining=0,
            retry_after_ms=open_holds[len(open_holds) - limit].deadline_ms - context.now_ms,
        )


_PRECEDENCE = {outcome: place for place, outcome in enumerate(Outcome)}


def _limited(
    context: Context, command: Admission, stood: Standing, violations: tuple[Violation, ...]
) -> Denied:
    waits = [violation.retry_after_ms for violation in violations]
    curable = [wait for wait in waits if wait is not None]
    return denied(
        context,
        command,
        min((Outcome(each.outcome) for each in violations), key=_PRECEDENCE.__getitem__),
        provider=command.provider,
        tokens=command.tokens,
        violations=violations,
        retry_after_ms=max(curable) if len(curable) == len(waits) else None,
        limits=stood.readings(),
        quota=read_quota(stood.after_refusal, stood.terms, context.now_ms),
    )


def _refused(context: Context, command: Admission, outcome: Outcome) -> tuple[Denied]:
    return (denied(context, command, outcome, provider=command.provider, tokens=command.tokens),)


def _grant(context: Context, command: Admission, stood: Standing) -> AccountEvent:
    policy = context.rules.policy
    holding = not isinstance(command, Consume)
    if holding:
        after = quotas.held(stood.quota, *quotas.split(stood.quota, command.tokens))
    else:
        after = quotas.charged(stood.quota, command.tokens)
    charge: dict[str, Any] = {
        "account": context.memory.account_id,
        "at_ms": context.now_ms,
        "command_id": command.command_id,
        "actor": command.actor,
        "policy_version": policy.version,
        "provider": command.provider,
        "tokens": command.tokens,
        "model": command.model,
        "labels": command.labels,
        "limits": tuple(_charges(stood, command.tokens, holding=holding)),
        "quota_move": quota_move(stood.quota, after),
        "quota": quota_reading(after, stood.terms, after.window_end_ms),
        "payload_digest": context.payload_digest,
        "repeatable_until_ms": context.now_ms + policy.recent_command_ttl_ms,
    }
    if isinstance(command, Consume):
        return Consumed(**charge)
    ttl_ms = command.hold_ttl_ms or policy.hold_ttl_ms
    return Reserved(**charge, hold_id=context.new_hold_id(), deadline_ms=context.now_ms + ttl_ms)


def _charges(stood: Standing, tokens: int, *, holding: bool) -> Iterator[LimitChange]:
    for limit in stood.terms.limits:
        cost_milli = limit.cost(tokens)
        if limit.kind == CONCURRENCY:
            used = stood.holding_milli(limit)
            yield concurrency_change(limit, used, used + cost_milli if holding else used)
        else:
            meter = stood.meters[limit.name]
            yield meter_change(limit, meter, charged(meter, cost_milli))
