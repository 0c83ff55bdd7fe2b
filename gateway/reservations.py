"""Reservations, for callers that talk to the provider themselves: reserve, settle, release."""

from gateway.answers import Answer
from gateway.asking import ask, ask_durably
from gateway.authentication import Principal
from gateway.figures import limit_bodies, optional_instant, quota_body, rate_limit_headers
from gateway.idempotency import command_id_for, request_digest
from gateway.problems import RESERVATION_UNKNOWN, TOKENS_NEGATIVE
from gateway.request_reply.client import AccountsClient
from gateway.spending import payer_for, positive
from schemas.commands import Reserve, Settle, Void
from schemas.hold_ids import InvalidHoldIdError, decode_hold_id
from schemas.http_tokens import (
    ReleaseAnswer,
    ReservationAnswer,
    ReserveRequest,
    SettlementAnswer,
    SettleRequest,
)
from service.http.problems import ProblemError

ROUTE = "/api/v1/tokens/reservations"


async def reserve(
    accounts: AccountsClient,
    principal: Principal,
    request: ReserveRequest,
    idempotency_key: str | None,
) -> Answer:
    """Hold tokens until they are settled, released or expire. Raises `ProblemError`.

    The same request under the same key gets the same reservation again, while it is open and
    once it is settled; after a release or expiry the key is free.
    """
    payer = payer_for(
        principal, request.user_id, request.provider, org_id=request.org_id, tokens=request.tokens
    )
    reply = await ask(
        accounts,
        Reserve(
            command_id=command_id_for(principal, ROUTE, idempotency_key),
            reply_to=accounts.reply_to,
            account=payer.account,
            actor=payer.actor,
            provider=payer.provider,
            tokens=positive(request.tokens),
            model=request.model or None,
            labels=request.labels,
            hold_ttl_ms=request.hold_ttl_ms,
            request_digest=None if idempotency_key is None else request_digest(request),
        ),
    )
    hold = reply.hold
    if hold is None:
        raise RuntimeError(f"the reply to reserve {reply.command_id} names no hold")
    body = ReservationAnswer(
        reservation_id=hold.id,
        expires_at=optional_instant(hold.deadline_ms),
        tokens=hold.held_tokens,
        limits=limit_bodies(reply.limits),
        quota=quota_body(reply.quota),
        command_id=reply.command_id or "",
        replayed=reply.replayed,
    )
    return Answer(body, status=201, headers=rate_limit_headers(reply))


async def settle(
    accounts: AccountsClient, principal: Principal, reservation_id: str, request: SettleRequest
) -> Answer:
    """Charge what was really used, 0 or more, also above what is held. Raises `ProblemError`.

    A second settle of the same amount gets the first answer again.
    """
    account, actor = _account_of(principal, reservation_id)
    if request.tokens is None or request.tokens < 0:
        raise ProblemError(TOKENS_NEGATIVE)
    command_id = command_id_for(principal, ROUTE, None)
    reply = await ask_durably(
        accounts,
        Settle(
            command_id=command_id,
            reply_to=accounts.reply_to,
            account=account,
            actor=actor,
            hold_id=reservation_id,
            tokens=request.tokens,
        ),
    )
    body = SettlementAnswer(
        reservation_id=reservation_id,
        charged_tokens=request.tokens,
        late=reply.hold.late if reply and reply.hold else None,
        limits=limit_bodies(reply.limits if reply else ()),
        quota=quota_body(reply.quota if reply else None),
        command_id=command_id,
        replayed=reply.replayed if reply else False,
    )
    return Answer(body, headers=rate_limit_headers(reply) if reply else None)


async def release(accounts: AccountsClient, principal: Principal, reservation_id: str) -> Answer:
    """Give a reservation back as if it had never been. Raises `ProblemError`."""
    account, actor = _account_of(principal, reservation_id)
    command_id = command_id_for(principal, ROUTE, None)
    reply = await ask_durably(
        accounts,
        Void(
            command_id=command_id,
            reply_to=accounts.reply_to,
            account=account,
            actor=actor,
            hold_id=reservation_id,
        ),
    )
    body = ReleaseAnswer(
        reservation_id=reservation_id,
        limits=limit_bodies(reply.limits if reply else ()),
        quota=quota_body(reply.quota if reply else None),
        command_id=command_id,
        replayed=reply.replayed if reply else False,
    )
    return Answer(body, headers=rate_limit_headers(reply) if reply else None)


def _account_of(principal: Principal, reservation_id: str) -> tuple[str, str | None]:
    """The account of a reservation, and who asks where that is not the account's own user.

    Another's reservation looks like one that does not exist. Raises `ProblemError` (404).
    """
    try:
        account = decode_hold_id(reservation_id).account
    except InvalidHoldIdError:
        raise ProblemError(RESERVATION_UNKNOWN) from None
    kind, _, owner = account.partition(":")
    if kind != "user" or not principal.may_act_for(owner):
        raise ProblemError(RESERVATION_UNKNOWN)
    return account, None if owner == principal.user_id else f"user:{principal.user_id}"
