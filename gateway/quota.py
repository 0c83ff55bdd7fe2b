"""Quota: what an account may still spend at a provider."""

from gateway.answers import Answer
from gateway.asking import ask
from gateway.authentication import Principal
from gateway.figures import limit_bodies, optional_instant
from gateway.idempotency import command_id_for
from gateway.problems import QUOTA_NOT_FOUND, UNKNOWN_PROVIDER
from gateway.request_reply.client import AccountsClient
from gateway.spending import Payer, payer_for
from schemas.commands import Query
from schemas.http_tokens import QuotaAnswer
from schemas.replies import Reply
from service.http.problems import ProblemError

ROUTE = "/api/v1/tokens/quota"


async def read_quota(
    accounts: AccountsClient, principal: Principal, user_id: str | None, provider: str | None
) -> Answer:
    """The account's quota and limits for one provider, read consistently.

    Raises `ProblemError`: 404 where the account has neither an allowance nor purchased tokens
    for the provider, an unknown one included.
    """
    try:
        payer = payer_for(principal, user_id, provider)
        reply = await ask(accounts, _query(accounts, principal, payer))
    except ProblemError as problem:
        if problem.kind is UNKNOWN_PROVIDER:
            raise ProblemError(QUOTA_NOT_FOUND) from None
        raise
    return Answer(_body(payer, reply))


def _query(accounts: AccountsClient, principal: Principal, payer: Payer) -> Query:
    return Query(
        command_id=command_id_for(principal, ROUTE, None),
        reply_to=accounts.reply_to,
        account=payer.account,
        actor=payer.actor,
        provider=payer.provider,
    )


def _body(payer: Payer, reply: Reply) -> QuotaAnswer:
    account = reply.reading
    if account is None:
        raise RuntimeError(f"the reply to query {reply.command_id} carries no reading")
    for reading in account.providers:
        if reading.provider == payer.provider and reading.known:
            quota = reading.quota
            return QuotaAnswer(
                user_id=payer.user_id,
                provider=payer.provider,
                total_tokens=quota.total_tokens,
                remaining_tokens=quota.remaining_tokens,
                reset_time=optional_instant(quota.reset_at_ms),
                updated_at=optional_instant(account.updated_at_ms),
                tier=account.tier,
                allowance_tokens=quota.allowance_tokens,
                purchased_tokens=quota.purchased_tokens,
                held_tokens=quota.held_tokens,
                debt_tokens=quota.debt_tokens,
                limits=limit_bodies(reading.limits),
            )
    raise ProblemError(QUOTA_NOT_FOUND)
