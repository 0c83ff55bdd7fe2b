"""Consume: decide and charge at once, or hold, call the provider, and settle."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.answers import Answer
from gateway.asking import ask, ask_durably
from gateway.figures import bucket_of, iso_instant, limit_bodies, quota_body, rate_limit_headers
from gateway.idempotency import command_id_for, request_digest
from gateway.problems import REQUEST_IN_PROGRESS, UNKNOWN_PROVIDER
from gateway.refusals import provider_failure
from gateway.request_reply.client import AccountsClient
from gateway.requests import TokenRequest
from gateway.spending import Payer, payer_for, positive
from providers.completion import (
    CompletionRequest,
    CompletionResult,
    ProviderAdapter,
    ProviderFailedError,
)
from schemas.base import MAX_TOKENS
from schemas.commands import Consume, Reserve, Settle, Void
from schemas.http_tokens import ConsumeAnswer, ConsumeRequest
from schemas.replies import HoldState, Reply
from service import correlation
from service.http.problems import ProblemError
from service.logging import get_logger

logger = get_logger(__name__)

ROUTE = "/api/v1/tokens/consume"


@dataclass(frozen=True, slots=True)
class _Spending:
    """A checked request: who pays, what was asked, and the command that it becomes."""

    payer: Payer
    request: ConsumeRequest
    tokens: int
    command_id: str
    digest: str | None
    stub_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spent:
    """A granted request's answer, and the tokens that it was charged (0 when it is a repeat)."""

    answer: Answer
    charged_tokens: int


class Consumption:
    """The consume route over the accounts pipeline and the providers, by name."""

    def __init__(self, accounts: AccountsClient, providers: Mapping[str, ProviderAdapter]) -> None:
        self._accounts = accounts
        self._providers = providers
        self._calls: set[asyncio.Task[Spent]] = set()

    async def consume(self, request: TokenRequest, wanted: ConsumeRequest) -> Spent:
        """The answer to a granted request. Raises `ProblemError` for every other."""
        spending = _checked(request, wanted)
        if not wanted.call:
            return await self._charge(spending)
        provider = self._providers.get(spending.payer.provider)
        if provider is None:
            raise ProblemError(UNKNOWN_PROVIDER)
        # A client that goes away must not cut the way from hold to settle.
        call = asyncio.get_running_loop().create_task(self._hold_and_call(spending, provider))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the calls under way, so that their holds are settled or voided."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=timeout_s)

    async def _charge(self, spending: _Spending) -> Spent:
        reply = await ask(self._accounts, self._admission(Consume, spending))
        return _granted(reply, spending, 0 if reply.replayed else spending.tokens, {})

    async def _hold_and_call(self, spending: _Spending, provider: ProviderAdapter) -> Spent:
        held = await self._hold(spending)
        hold = held.hold
        if hold is None:
            raise RuntimeError(f"the reply to reserve {held.command_id} names no hold")
        if held.replayed and hold.state is HoldState.OPEN:
            raise ProblemError(REQUEST_IN_PROGRESS, members={"commandId": spending.command_id})
        if held.replayed:
            return _granted(held, spending, 0, {})
        try:
            result = await provider.complete(_completion(spending, hold.id))
        except ProviderFailedError as failure:
            voided = await self._give_back(spending, hold.id, failure.reason)
            raise provider_failure(voided or held, spending.command_id, failure.reason) from None
        except BaseException:
            # A fault of ours: the hold must not wait for its deadline.
            await self._give_back(spending, hold.id, "internal error")
            raise
        tokens = _used_tokens(spending, result)
        settled = await self._settle(spending, hold.id, tokens)
        return _granted(settled or held, spending, tokens, result.raw)

    async def _hold(self, spending: _Spending) -> Reply:
        return await ask(self._accounts, self._admission(Reserve, spending))

    def _admission(self, kind: type[Consume | Reserve], spending: _Spending) -> Consume | Reserve:
        """The command that asks for what a request spends."""
        payer, request = spending.payer, spending.request
        return kind(
            command_id=spending.command_id,
            reply_to=self._accounts.reply_to,
            account=payer.account,
            actor=payer.actor,
            provider=payer.provider,
            tokens=spending.tokens,
            model=request.model or None,
            labels=request.labels,
            request_digest=spending.digest,
        )

    async def _settle(self, spending: _Spending, hold_id: str, tokens: int) -> Reply | None:
        """The settle's reply; None when it is stored in the log and not yet decided."""
        command = Settle(
            command_id=f"{spending.command_id}.settle",
            reply_to=self._accounts.reply_to,
            account=spending.payer.account,
            actor=spending.payer.actor,
            hold_id=hold_id,
            tokens=tokens,
        )
        return await ask_durably(self._accounts, command)

    async def _give_back(self, spending: _Spending, hold_id: str, reason: str) -> Reply | None:
        """The void's reply; None when it did not come. A hold left open gives back by itself."""
        command = Void(
            command_id=f"{spending.command_id}.void",
            reply_to=self._accounts.reply_to,
            account=spending.payer.account,
            actor=spending.payer.actor,
            hold_id=hold_id,
            reason=reason[:200],
        )
        try:
            return await ask_durably(self._accounts, command)
        except ProblemError as problem:
            logger.error("a hold was not voided and will expire", problem=problem.kind.code)
            return None


def _checked(request: TokenRequest, wanted: ConsumeRequest) -> _Spending:
    principal, key = request.user, request.idempotency_key
    payer = payer_for(
        principal, wanted.user_id, wanted.provider, org_id=wanted.org_id, tokens=wanted.tokens
    )
    return _Spending(
        payer=payer,
        request=wanted,
        tokens=positive(wanted.tokens),
        command_id=command_id_for(principal, ROUTE, key),
        # Without a key no other request can have this id, and so none can differ from it.
        digest=None if key is None else request_digest(wanted),
        stub_headers=request.stub_headers if wanted.call else {},
    )


def _completion(spending: _Spending, hold_id: str) -> CompletionRequest:
    request = spending.request
    return CompletionRequest(
        prompt=request.prompt,
        model=request.model or None,
        max_tokens=spending.tokens,
        # Not the command id: after a void the same command is a new call.
        idempotency_key=hold_id,
        traceparent=correlation.traceparent.get(),
        stub_headers=spending.stub_headers,
    )


def _used_tokens(spending: _Spending, result: CompletionResult) -> int:
    """What to charge: exactly what was asked for, or what the provider reports."""
    if spending.request.settle == "exact":
        return spending.tokens
    return min(result.usage_tokens, MAX_TOKENS)


def _granted(
    reply: Reply, spending: _Spending, tokens: int, provider_response: dict[str, Any]
) -> Spent:
    bucket = bucket_of(reply.limits)
    body = ConsumeAnswer(
        allowed=True,
        capacity=bucket.limit if bucket else 0,
        used=bucket.used if bucket else 0,
        remaining=bucket.remaining if bucket else 0,
        wait_seconds=0,
        timestamp=iso_instant(reply.at_ms),
        provider_response=provider_response,
        limits=limit_bodies(reply.limits),
        quota=quota_body(reply.quota),
        command_id=spending.command_id,
        replayed=reply.replayed,
    )
    return Spent(Answer(body, headers=rate_limit_headers(reply)), tokens)
