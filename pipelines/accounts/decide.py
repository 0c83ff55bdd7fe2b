"""The decision: a pure function of an account, a command, the policy and the record's time.

It changes nothing. What it returns is what `evolve` applies, live and in a replay alike.
"""

from pipelines.accounts.administration import administer
from pipelines.accounts.admission import admit
from pipelines.accounts.decision import Context, Decided, Decision
from pipelines.accounts.holds import settle, void
from pipelines.accounts.repeats import answer_repeat, find_hold
from pipelines.accounts.replies import answer_query, reply_of
from schemas.commands import AccountCommand, Consume, Query, Reserve, Settle, Void


def decide(context: Context, command: AccountCommand) -> Decision:
    """Decide one command of an account whose expired holds have been closed.

    The order of the checks is the order of precedence of their outcomes.
    """
    if isinstance(command, Query):
        reply = answer_query(context.memory, context.rules, command, context.now_ms)
        return Decision((), reply)
    repeat = answer_repeat(context, command)
    if repeat is not None:
        return repeat
    events = _decide_anew(context, command)
    return Decision(events, reply_of(events[-1]))


def _decide_anew(context: Context, command: AccountCommand) -> Decided:
    match command:
        case Consume() | Reserve():
            return admit(context, command)
        case Settle() | Void():
            found = find_hold(context, command.hold_id)
            hold = None if found is None else found[1]
            if isinstance(command, Settle):
                return settle(context, command, hold)
            return void(context, command, hold)
        case Query():
            raise TypeError("a query decides nothing")
        case _:
            return administer(context, command)
