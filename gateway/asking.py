"""A command's reply, or the problem that stands for why there is none or for its refusal."""

from gateway.refusals import no_answer, refusal
from gateway.request_reply.client import AccountsClient
from gateway.request_reply.failures import NoAnswerError
from schemas.commands import AccountCommand, Settle, Void
from schemas.outcomes import TOOK_EFFECT
from schemas.replies import Reply
from service import correlation


async def ask(accounts: AccountsClient, command: AccountCommand) -> Reply:
    """The reply to a command that took effect. Raises `ProblemError` for all else.

    From here on the request's log lines carry the command's id.
    """
    correlation.command_id.set(command.command_id)
    try:
        reply = await accounts.ask(command)
    except NoAnswerError as error:
        raise no_answer(error) from None
    return _effective(reply)


async def ask_durably(accounts: AccountsClient, command: Settle | Void) -> Reply | None:
    """Like `ask`, for what must not be lost; None when it is stored but not yet decided."""
    correlation.command_id.set(command.command_id)
    try:
        reply = await accounts.ask_durably(command)
    except NoAnswerError as error:
        raise no_answer(error) from None
    return None if reply is None else _effective(reply)


def _effective(reply: Reply) -> Reply:
    if reply.outcome not in TOOK_EFFECT:
        raise refusal(reply)
    return reply
