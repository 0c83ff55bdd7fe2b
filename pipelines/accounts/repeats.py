"""Repeats: a command that took effect is answered again, and never done twice."""

from pipelines.accounts.decision import Context, Decision, denied
from pipelines.accounts.memory import AccountMemory, HoldKey
from pipelines.accounts.messages import HoldReading, Reply, Reserved, decode_event
from pipelines.accounts.replies import reply_of
from pipelines.accounts.standing import standing
from schemas.commands import AccountCommand, Settle, Void
from schemas.hold_ids import InvalidHoldIdError, decode_hold_id
from schemas.outcomes import Outcome
from schemas.replies import HoldState
from state.accounts import HOLD_SETTLED, HOLD_VOIDED, Hold


def find_hold(context: Context, hold_id: str) -> tuple[HoldKey, Hold] | None:
    """The hold that an id names, if it is this account's and this partition's."""
    try:
        origin = decode_hold_id(hold_id)
    except InvalidHoldIdError:
        return None
    if (origin.account, origin.partition) != (context.memory.account_id, context.partition):
        return None
    key = (origin.offset, origin.index)
    hold = context.memory.hold(key)
    return None if hold is None else (key, hold)


def answer_repeat(context: Context, command: AccountCommand) -> Decision | None:
    """The first answer again, a conflict with it, or None when there was none."""
    if isinstance(command, Settle | Void):
        return _repeated_closing(context, command)
    answer = context.memory.answer(command.command_id)
    if answer is None:
        return None
    if answer.payload_digest != bytes.fromhex(context.payload_digest):
        conflict = denied(
            context,
            command,
            Outcome.IDEMPOTENCY_CONFLICT,
            detail="the command id was used for a command with another payload",
        )
        return Decision((conflict,), reply_of(conflict))
    event = decode_event(answer.event)
    hold = _hold_now(context.memory, answer.hold, event) if isinstance(event, Reserved) else None
    return Decision((), reply_of(event, replayed=True, hold=hold))


def _hold_now(memory: AccountMemory, key: HoldKey | None, event: Reserved) -> HoldReading:
    """What became of a repeated reserve's hold.

    One that is no longer remembered was settled: the other ends free the command id, and the
    command would not be a repeat.
    """
    hold = None if key is None else memory.hold(key)
    if hold is not None:
        return _reading(event.hold_id, hold)
    return HoldReading(
        id=event.hold_id,
        state=HoldState.SETTLED,
        held_tokens=event.tokens,
        deadline_ms=event.deadline_ms,
    )


def _repeated_closing(context: Context, command: Settle | Void) -> Decision | None:
    found = find_hold(context, command.hold_id)
    if found is None:
        return None
    hold = found[1]
    if isinstance(command, Settle):
        same = hold.state == HOLD_SETTLED and hold.settled_tokens == command.tokens
    else:
        same = hold.state == HOLD_VOIDED
    if not same:
        return None
    stood = standing(context.memory, context.rules, hold.provider, context.now_ms, opening=False)
    settling = isinstance(command, Settle)
    reply = Reply(
        command_id=command.command_id,
        command=command.type,
        account=context.memory.account_id,
        at_ms=context.now_ms,
        policy_version=context.rules.version,
        outcome=Outcome.SETTLED if settling else Outcome.VOIDED,
        replayed=True,
        provider=hold.provider,
        tokens=hold.settled_tokens if settling else 0,
        hold=_reading(command.hold_id, hold),
        limits=stood.readings(),
        quota=stood.quota_reading(),
    )
    return Decision((), reply)


def _reading(hold_id: str, hold: Hold) -> HoldReading:
    return HoldReading(
        id=hold_id,
        state=HoldState(hold.state),
        held_tokens=hold.tokens,
        settled_tokens=hold.settled_tokens if hold.state == HOLD_SETTLED else None,
        deadline_ms=hold.deadline_ms,
    )
