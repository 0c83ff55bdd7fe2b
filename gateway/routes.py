"""The token routes: HTTP on the outside, typed requests and answers on the inside."""

from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.types import Middleware

from gateway import reservations
from gateway.answers import Answer
from gateway.consume import ROUTE as CONSUME_ROUTE
from gateway.consume import Consumption
from gateway.outcome_counts import ALLOWED, FOUND, OutcomeCounts, outcome_of
from gateway.quota import ROUTE as QUOTA_ROUTE
from gateway.quota import read_quota
from gateway.request_reply.client import AccountsClient
from gateway.requests import TokenRequest
from schemas.http_tokens import (
    ConsumeAnswer,
    ConsumeRequest,
    HttpBody,
    QuotaAnswer,
    ReleaseAnswer,
    ReservationAnswer,
    ReserveRequest,
    SettlementAnswer,
    SettleRequest,
    StatusAnswer,
)
from service.http.bodies import instant_text
from service.http.problems import FORBIDDEN, ProblemError

STATUS_ROUTE = "/api/v1/tokens/status"
_TAGS = ["tokens"]


def token_routes(
    accounts: AccountsClient,
    consumption: Consumption,
    counts: OutcomeCounts,
    require_user: Middleware,
    version: str,
) -> Sequence[HTTPRouteHandler | Router]:
    """Every route of the token API that exists."""

    @get(STATUS_ROUTE, summary="Whether the service answers", tags=_TAGS)
    async def status() -> StatusAnswer:
        return StatusAnswer(
            service="token-service",
            status="ok",
            version=version,
            timestamp=instant_text(datetime.now(UTC)),
        )

    authenticated = Router(
        "/",
        route_handlers=[
            _consume_route(consumption, counts),
            *_quota_routes(accounts, counts),
            *_reservation_routes(accounts, counts),
        ],
        middleware=[require_user],
        request_class=TokenRequest,
        security=[{"bearerAuth": []}],
        tags=_TAGS,
    )
    return status, authenticated


def _consume_route(consumption: Consumption, counts: OutcomeCounts) -> HTTPRouteHandler:
    @post(
        CONSUME_ROUTE,
        status_code=200,
        summary="Spend tokens",
        responses=_answers(ConsumeAnswer),
    )
    async def consume(request: TokenRequest, data: ConsumeRequest) -> Answer:
        """Decide, charge and call the provider; `call` false decides and charges only."""
        try:
            spent = await consumption.consume(request, data)
        except ProblemError as problem:
            counts.consume(data.provider, outcome_of(problem))
            raise
        counts.consume(data.provider, ALLOWED, spent.charged_tokens)
        return spent.answer

    return consume


def _quota_routes(accounts: AccountsClient, counts: OutcomeCounts) -> Sequence[HTTPRouteHandler]:
    @get(QUOTA_ROUTE, summary="Read a quota", responses=_answers(QuotaAnswer))
    async def quota(
        request: TokenRequest,
        user_id: Annotated[str | None, Parameter(query="userId", required=False)] = None,
        provider: Annotated[str | None, Parameter(required=False)] = None,
    ) -> Answer:
        """Allowance, purchases and limits of an account at one provider."""
        try:
            answer = await read_quota(accounts, request.user, user_id, provider)
        except ProblemError as problem:
            not_found = problem.kind.status == 404
            counts.quota(provider, "not_found" if not_found else outcome_of(problem))
            raise
        counts.quota(provider, FOUND)
        return answer

    @get(f"{QUOTA_ROUTE}/org", summary="Read an organization's quota")
    async def organization_quota() -> None:
        """Always 403: no organization has an account here."""
        raise ProblemError(FORBIDDEN, "no organization has an account here")

    return quota, organization_quota


def _reservation_routes(
    accounts: AccountsClient, counts: OutcomeCounts
) -> Sequence[HTTPRouteHandler]:
    @post(
        reservations.ROUTE,
        summary="Reserve tokens",
        responses=_answers(ReservationAnswer, status=201),
    )
    async def reserve(request: TokenRequest, data: ReserveRequest) -> Answer:
        """Hold tokens until they are settled, released or expire."""
        key = request.idempotency_key
        return await counted("reserve", reservations.reserve(accounts, request.user, data, key))

    @post(
        f"{reservations.ROUTE}/{{reservation_id:str}}/settle",
        status_code=200,
        summary="Settle a reservation",
        responses=_answers(SettlementAnswer),
    )
    async def settle(request: TokenRequest, reservation_id: str, data: SettleRequest) -> Answer:
        """Charge what was really used; what was held beyond it is given back."""
        settling = reservations.settle(accounts, request.user, reservation_id, data)
        return await counted("settle", settling)

    @delete(
        f"{reservations.ROUTE}/{{reservation_id:str}}",
        status_code=200,
        summary="Release a reservation",
        responses=_answers(ReleaseAnswer),
    )
    async def release(request: TokenRequest, reservation_id: str) -> Answer:
        """Give a reservation back as if it had never been."""
        return await counted(
            "release", reservations.release(accounts, request.user, reservation_id)
        )

    async def counted(action: str, work: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            answer = await work
        except ProblemError as problem:
            counts.reservation(action, outcome_of(problem))
            raise
        counts.reservation(action, ALLOWED)
        return answer

    return reserve, settle, release


def _answers(body: type[HttpBody], status: int = 200) -> dict[int, ResponseSpec]:
    summary = (body.__doc__ or "").partition("\n")[0]
    return {status: ResponseSpec(body, description=summary, generate_examples=False)}
