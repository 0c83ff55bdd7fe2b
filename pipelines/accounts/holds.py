"""Rules of settle, void and expiry: what a hold charged in the end, and what goes back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.accounts.decision import Context, Decided, denied
from pipelines.accounts.memory import AccountMemory, HoldKey
from pipelines.accounts.messages import AccountEvent, HoldExpired, LimitChange, Settled, Voided
from pipelines.accounts.pots import quota_move
from pipelines.accounts.standing import (
    Standing,
    allowance_events,
    concurrency_change,
    meter_change,
    read_quota,
    standing,
)
from pipelines.accounts.terms import Rules
from schemas.commands import Settle, Void
from schemas.hold_ids import HoldOrigin, encode_hold_id
from schemas.outcomes import Outcome
from state import quotas
from state.accounts import HOLD_EXPIRED, HOLD_OPEN, HOLD_SETTLED, HOLD_VOIDED, Hold, OpenHold
from state.limits import CONCURRENCY, REQUESTS, LimitTerms, Meter, charged, refunded

_REFUSALS = {
    HOLD_SETTLED: Outcome.HOLD_ALREADY_SETTLED,
    HOLD_VOIDED: Outcome.HOLD_ALREADY_VOIDED,
    HOLD_EXPIRED: Outcome.HOLD_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class _Closing:
    """How a hold ends: `used` of what it holds, and `extra` beyond it."""

    hold: Hold
    used: int
    extra: int
    settling: bool

    @property
    def late(self) -> bool:
        return self.hold.state == HOLD_EXPIRED


def settle(context: Context, command: Settle, hold: Hold | None) -> Decided:
    """Charge what a hold really took; late if it had expired. Repeats are answered elsewhere."""
    if hold is None:
        return _refused(context, command, Outcome.HOLD_UNKNOWN)
    if hold.state in {HOLD_SETTLED, HOLD_VOIDED}:
        return _refused(context, command, _REFUSALS[hold.state])
    used = min(command.tokens, hold.tokens) if hold.state == HOLD_OPEN else 0
    closing = _Closing(hold, used, command.tokens - used, settling=True)
    stood, fields = _closed(context.memory, context.rules, closing, context.now_ms)
    settled = Settled(
        **fields,
        command_id=command.command_id,
        actor=command.actor,
        hold_id=command.hold_id,
        tokens=command.tokens,
        late=closing.late,
    )
    return (*allowance_events(context.memory, context.rules, stood, context.now_ms), settled)


def void(context: Context, command: Void, hold: Hold | None) -> Decided:
    """Give an open hold back. Repeats are answered elsewhere."""
    if hold is None:
        return _refused(context, command, Outcome.HOLD_UNKNOWN)
    if hold.state != HOLD_OPEN:
        return _refused(context, command, _REFUSALS[hold.state])
    closing = _Closing(hold, 0, 0, settling=False)
    stood, fields = _closed(context.memory, context.rules, closing, context.now_ms)
    voided = Voided(
        **fields,
        command_id=command.command_id,
        actor=command.actor,
        hold_id=command.hold_id,
        reason=command.reason,
    )
    return (*allowance_events(context.memory, context.rules, stood, context.now_ms), voided)


def expire(
    memory: AccountMemory, rules: Rules, partition: int, open_hold: OpenHold
) -> Iterator[AccountEvent]:
    """Close a hold whose deadline has passed, as of that deadline."""
    key: HoldKey = (open_hold.offset, open_hold.index)
    hold = memory.hold(key)
    if hold is None:
        raise LookupError(f"{memory.account_id} lists a hold {key} that the store does not have")
    at_ms = open_hold.deadline_ms
    stood, fields = _closed(memory, rules, _Closing(hold, 0, 0, settling=False), at_ms)
    yield from allowance_events(memory, rules, stood, at_ms)
    origin = HoldOrigin(memory.account_id, partition, open_hold.offset, open_hold.index)
    yield HoldExpired(**fields, hold_id=encode_hold_id(origin))


def _refused(context: Context, command: Settle | Void, outcome: Outcome) -> Decided:
    return (denied(context, command, outcome, hold_id=command.hold_id),)


def _closed(
    memory: AccountMemory, rules: Rules, closing: _Closing, at_ms: int
) -> tuple[Standing, dict[str, Any]]:
    """The standing that the closing starts from, and the fields of the event that closes."""
    hold = closing.hold
    stood = standing(memory, rules, hold.provider, at_ms, opening=closing.extra > 0)
    quota = stood.quota
    if hold.state == HOLD_OPEN:
        quota = quotas.closed(
            quota, hold.of_allowance, hold.of_purchased, hold.window_start_ms, closing.used
        )
    quota = quotas.charged(quota, closing.extra)
    return stood, {
        "account": memory.account_id,
        "at_ms": at_ms,
        "policy_version": rules.version,
        "provider": hold.provider,
        "held_tokens": hold.tokens if hold.state == HOLD_OPEN else 0,
        "reserve_command_id": hold.command_id,
        "remembered_until_ms": at_ms + rules.policy.closed_hold_ttl_ms,
        "limits": tuple(_changes(stood, closing)),
        "quota_move": quota_move(stood.quota, quota),
        "quota": read_quota(quota, stood.terms, at_ms),
    }


def _changes(stood: Standing, closing: _Closing) -> Iterator[LimitChange]:
    hold = closing.hold
    for limit in stood.terms.limits:
        if limit.kind == CONCURRENCY:
            holding = stood.holding_milli(limit)
            freed = limit.cost(hold.tokens) if hold.state == HOLD_OPEN else 0
            yield concurrency_change(limit, holding, holding - freed)
        else:
            before = stood.meters[limit.name]
            yield meter_change(limit, before, _meter_after(before, limit, closing))


def _meter_after(meter: Meter, limit: LimitTerms, closing: _Closing) -> Meter:
    hold = closing.hold
    if limit.unit == REQUESTS:
        unused_milli = 0 if closing.settling else 1000
        extra_milli = 1000 if closing.late else 0
    else:
        unused_milli = (hold.tokens - closing.used) * 1000
        extra_milli = closing.extra * 1000
    then = hold.marks.get(limit.name)
    if then is not None and hold.state == HOLD_OPEN:
        meter = refunded(meter, unused_milli, then)
    return charged(meter, extra_milli) if extra_milli else meter
