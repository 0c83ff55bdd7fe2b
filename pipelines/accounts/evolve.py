"""The only place that changes what an account remembers: one event at a time.

Live, in recovery after a crash and in a replay, the same events bring the same state.
"""

from bisect import insort

import msgspec

from pipelines.accounts.memory import AccountMemory, HoldKey
from pipelines.accounts.messages import (
    AccountEvent,
    Allocated,
    AllowanceChanged,
    Consumed,
    DecisionFailed,
    Denied,
    HoldExpired,
    LimitChange,
    LimitsSet,
    Reserved,
    Revoked,
    Settled,
    StatusSet,
    TierSet,
    Voided,
)
from pipelines.accounts.pots import moved
from pipelines.accounts.terms import own_limit
from schemas.hold_ids import decode_hold_id
from schemas.limits import LimitKind
from state.accounts import (
    HOLD_EXPIRED,
    HOLD_OPEN,
    HOLD_SETTLED,
    HOLD_VOIDED,
    Answered,
    Hold,
    OpenHold,
    ProviderState,
)
from state.limits import Mark, Meter


def evolve(memory: AccountMemory, event: AccountEvent) -> None:
    """Apply an event that was decided on this very state.

    Raises `QuotaBrokenError` when the event does not fit the quota that it is applied to.
    """
    account = memory.account
    account.updated_ms = event.at_ms
    memory.changed = True
    match event:
        case Consumed():
            _change_provider(memory, event)
            _remember(memory, event)
        case Reserved():
            _change_provider(memory, event)
            _open_hold(memory, event)
            _remember(memory, event)
        case Settled() | Voided() | HoldExpired():
            _change_provider(memory, event)
            _close_hold(memory, event)
        case AllowanceChanged():
            _change_window(memory, event)
        case Allocated() | Revoked():
            _change_quota(memory, event)
            _remember(memory, event)
        case TierSet():
            account.tier = event.tier
            _remember(memory, event)
        case StatusSet():
            account.status = event.status.value
            _remember(memory, event)
        case LimitsSet():
            _set_limits(memory, event)
            _remember(memory, event)
        case Denied() | DecisionFailed():
            pass


def _provider(memory: AccountMemory, name: str) -> ProviderState:
    providers = memory.account.providers
    state = providers.get(name)
    if state is None:
        state = providers[name] = ProviderState()
    return state


def _change_quota(
    memory: AccountMemory,
    event: Consumed | Reserved | Settled | Voided | HoldExpired | Allocated | Revoked,
) -> None:
    provider = _provider(memory, event.provider)
    provider.quota = moved(provider.quota, event.quota_move)


def _change_provider(
    memory: AccountMemory, event: Consumed | Reserved | Settled | Voided | HoldExpired
) -> None:
    state = _provider(memory, event.provider)
    state.quota = moved(state.quota, event.quota_move)
    meters = state.meters
    for change in event.limits:
        if change.kind is not LimitKind.CONCURRENCY and change.before != change.after:
            meters[change.name] = _meter(change, event.at_ms)


def _meter(change: LimitChange, at_ms: int) -> Meter:
    return Meter(
        kind=change.kind.value,
        level=change.after,
        updated_ms=at_ms,
        capacity_milli=change.limit * 1000,
        period_ms=change.period_ms,
        remainder=change.remainder,
        drained=change.drained,
        drained_remainder=change.drained_remainder,
        window_start_ms=change.window_start_ms,
        generation=change.generation,
    )


def _change_window(memory: AccountMemory, event: AllowanceChanged) -> None:
    provider = _provider(memory, event.provider)
    window = msgspec.structs.replace(
        provider.quota,
        window_start_ms=event.window_start_ms,
        window_end_ms=event.window_end_ms,
    )
    provider.quota = moved(window, event.quota_move)


def _open_hold(memory: AccountMemory, event: Reserved) -> None:
    origin = decode_hold_id(event.hold_id)
    move = event.quota_move
    hold = Hold(
        provider=event.provider,
        tokens=event.tokens,
        deadline_ms=event.deadline_ms,
        command_id=event.command_id or "",
        of_allowance=move.get("held", 0),
        of_purchased=move.get("purchasedHeld", 0),
        window_start_ms=_provider(memory, event.provider).quota.window_start_ms,
        marks={
            change.name: Mark(
                change.after - change.before,
                change.generation,
                change.drained,
                change.window_start_ms,
            )
            for change in event.limits
            if change.kind is not LimitKind.CONCURRENCY
        },
    )
    memory.keep_hold((origin.offset, origin.index), hold)
    insort(
        memory.account.open_holds,
        OpenHold(event.deadline_ms, origin.offset, origin.index, event.provider, event.tokens),
    )
    memory.wake_at(event.deadline_ms)


_CLOSED_STATES = {Settled: HOLD_SETTLED, Voided: HOLD_VOIDED, HoldExpired: HOLD_EXPIRED}


def _close_hold(memory: AccountMemory, event: Settled | Voided | HoldExpired) -> None:
    origin = decode_hold_id(event.hold_id)
    key: HoldKey = (origin.offset, origin.index)
    hold = memory.hold(key)
    if hold is None:
        raise LookupError(f"{event.type} of a hold {key} that {memory.account_id} does not have")
    if hold.state == HOLD_OPEN:
        memory.account.open_holds.remove(
            OpenHold(hold.deadline_ms, origin.offset, origin.index, hold.provider, hold.tokens)
        )
    memory.keep_hold(
        key,
        msgspec.structs.replace(
            hold,
            state=_CLOSED_STATES[type(event)],
            settled_tokens=event.tokens if isinstance(event, Settled) else 0,
            remembered_until_ms=event.remembered_until_ms,
        ),
    )
    if not isinstance(event, Settled):
        memory.drop_answer(event.reserve_command_id, key)


def _remember(
    memory: AccountMemory,
    event: Consumed | Reserved | Allocated | Revoked | TierSet | StatusSet | LimitsSet,
) -> None:
    if event.command_id is None:
        raise ValueError(f"a {event.type} event names its command")
    origin = decode_hold_id(event.hold_id) if isinstance(event, Reserved) else None
    memory.keep_answer(
        event.command_id,
        Answered(
            payload_digest=bytes.fromhex(event.payload_digest),
            event=event.encoded,
            repeatable_until_ms=(
                event.repeatable_until_ms if isinstance(event, Consumed | Reserved) else None
            ),
            hold=None if origin is None else (origin.offset, origin.index),
        ),
    )


def _set_limits(memory: AccountMemory, event: LimitsSet) -> None:
    own_limits = memory.account.own_limits
    if event.limits:
        own_limits[event.provider] = tuple(own_limit(rule) for rule in event.limits)
    else:
        own_limits.pop(event.provider, None)
