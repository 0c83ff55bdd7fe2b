"""Asks the accounts pipeline: sends a command and waits for its reply."""

import asyncio
import logging
import os
import secrets
import socket
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import count

from confluent_kafka import KafkaError, Message

from gateway.request_reply.failures import (
    NoReplyInTimeError,
    NotConfirmedError,
    NotSentError,
    TooManyInFlightError,
)
from gateway.request_reply.inbox import Replies, ReplyInbox
from gateway.request_reply.publisher import Headers, Publisher, QueueFullError
from gateway.settings import GatewaySettings
from schemas.commands import AccountCommand, Settle, Void
from schemas.replies import Reply
from service import correlation
from service.logging import get_logger
from service.metric_names import GATEWAY_COMMANDS_IN_FLIGHT, GATEWAY_REPLIES_LATE
from service.metrics import Metrics
from topics.envelope import CORRELATION_ID, REQUEST_ID, TRACEPARENT
from topics.registry import ACCOUNTS_COMMANDS, REPLIES

logger = get_logger(__name__)

_SWEEP_S = 0.02


@dataclass(slots=True)
class _Waiting:
    """A command under way: who waits for its reply, and until when (the loop's clock)."""

    reply: "asyncio.Future[bytes | None]"
    deadline: float


class AccountsClient:
    """Request-reply with the accounts pipeline; used on one event loop.

    Each worker process is an instance of its own: it takes partition crc32(instance id) mod n of
    the reply topic, and matches replies by request ids that start with its instance's random
    mark, since correlation ids come from clients and may collide.
    """

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        self.instance_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        partitions = REPLIES.partitions(settings.topics_partitions)
        self.partition = zlib.crc32(self.instance_id.encode()) % partitions
        self.reply_to = f"{REPLIES.name}/{self.partition}"
        connection = {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "client.id": f"gateway-{self.instance_id}",
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            "logger": logging.getLogger("gateway.kafka"),
        }
        prefix = settings.topics_prefix
        self._publisher = Publisher(
            connection,
            ACCOUNTS_COMMANDS.name_on_broker(prefix),
            settings.gateway_linger_ms,
            settings.gateway_reply_deadline_ms,
        )
        self._mark = f"{secrets.token_hex(8)}-"
        self._inbox = ReplyInbox(
            connection,
            (REPLIES.name_on_broker(prefix), self.partition),
            self._mark,
            self._hand_over,
        )
        self._deadline_s = settings.gateway_reply_deadline_ms / 1000
        self._durable_deadline_s = settings.gateway_durable_deadline_ms / 1000
        self._max_in_flight = settings.gateway_max_in_flight
        self._numbers = count(1)
        self._waiting: dict[str, _Waiting] = {}
        self._in_flight = metrics.gauge(GATEWAY_COMMANDS_IN_FLIGHT)
        self._late = metrics.counter(GATEWAY_REPLIES_LATE)

    def start(self) -> None:
        """Connect, in the background; call it on the loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)
        self._publisher.start()
        self._inbox.start()

    def trouble(self) -> str | None:
        """Why nothing can be asked at the moment, None when all is well."""
        if not self._inbox.ready:
            return "the reply topic is not being read yet"
        return self._publisher.trouble

    @property
    def in_flight(self) -> int:
        """How many commands are waited for."""
        return len(self._waiting)

    async def close(self, timeout_s: float) -> None:
        """Flush what is queued and stop the threads. Nothing may be asked any more."""
        self._sweeping.cancel()
        left = await asyncio.to_thread(self._publisher.close, timeout_s)
        if left:
            logger.error("commands were left unsent", records=left)
        await asyncio.to_thread(self._inbox.close)

    async def ask(self, command: AccountCommand) -> Reply:
        """The reply to a command.

        Raises `NotSentError` (also `TooManyInFlightError`) when it did not leave, and
        `NoReplyInTimeError` when no reply came within the deadline.
        """
        request_id, waiting = self._expect(command)
        try:
            self._publisher.send(
                command.account.encode(), command.to_json(), self._headers(request_id)
            )
        except QueueFullError as error:
            del self._waiting[request_id]
            raise NotSentError(command.command_id, str(error)) from None
        body = await waiting.reply
        if body is None:
            raise NoReplyInTimeError(
                command.command_id, f"no decision came within {self._deadline_s:g} s"
            )
        return Reply.model_validate_json(body)

    async def ask_durably(self, command: Settle | Void) -> Reply | None:
        """The reply to a command that must not be lost; None when only the broker confirmed it.

        Raises `NotSentError` when it cannot even be queued, and `NotConfirmedError` when the
        broker did not confirm it in time; then sending goes on in the background.
        """
        request_id, waiting = self._expect(command, bounded=False)
        stored: asyncio.Future[bool] = self._loop.create_future()
        try:
            self._publisher.send_durably(
                command.account.encode(),
                command.to_json(),
                self._headers(request_id),
                partial(self._on_delivery, stored),
            )
        except QueueFullError as error:
            del self._waiting[request_id]
            raise NotSentError(command.command_id, str(error)) from None
        body = await waiting.reply
        if body is not None:
            return Reply.model_validate_json(body)
        try:
            async with asyncio.timeout(self._durable_deadline_s):
                confirmed = await stored
        except TimeoutError:
            confirmed = False
        if not confirmed:
            raise NotConfirmedError(
                command.command_id, "the broker has not confirmed what was used"
            )
        return None

    def _expect(self, command: AccountCommand, bounded: bool = True) -> tuple[str, _Waiting]:
        trouble = self.trouble()
        if trouble is not None and bounded:
            raise NotSentError(command.command_id, trouble)
        if bounded and len(self._waiting) >= self._max_in_flight:
            raise TooManyInFlightError(command.command_id, "too many requests are under way")
        request_id = f"{self._mark}{next(self._numbers)}"
        waiting = _Waiting(self._loop.create_future(), self._loop.time() + self._deadline_s)
        self._waiting[request_id] = waiting
        return request_id, waiting

    def _headers(self, request_id: str) -> Headers:
        headers = [(REQUEST_ID, request_id.encode())]
        correlation_id = correlation.correlation_id.get()
        if correlation_id is not None:
            headers.append((CORRELATION_ID, correlation_id.encode()))
        traceparent = correlation.traceparent.get()
        if traceparent is not None:
            headers.append((TRACEPARENT, traceparent.encode()))
        return headers

    def _sweep(self) -> None:
        """End the waiting of those whose deadline has passed.

        One timer for all: they wait equally long, so the first that is not due ends the sweep.
        """
        now = self._loop.time()
        due = []
        for request_id, waiting in self._waiting.items():
            if waiting.deadline > now:
                break
            due.append(request_id)
        for request_id in due:
            self._answer(request_id, None)
        self._in_flight.set(len(self._waiting))
        self._sweeping = self._loop.call_later(_SWEEP_S, self._sweep)

    def _answer(self, request_id: str, body: bytes | None) -> bool:
        """End the waiting for a reply; False when nobody waits (any more)."""
        waiting = self._waiting.pop(request_id, None)
        if waiting is None:
            return False
        if not waiting.reply.done():
            waiting.reply.set_result(body)
        return True

    def _hand_over(self, replies: Replies) -> None:
        """Called by the inbox's thread."""
        self._loop.call_soon_threadsafe(self._deliver, replies)

    def _deliver(self, replies: Replies) -> None:
        for request_id, body in replies:
            if not self._answer(request_id, body):
                self._late.inc()

    def _on_delivery(
        self, stored: "asyncio.Future[bool]", error: KafkaError | None, _: Message
    ) -> None:
        """Called by the publisher's thread."""
        if error is not None:
            logger.error("a settle or void could not be sent", error=error.str())
        self._loop.call_soon_threadsafe(_resolve, stored, error is None)


def _resolve(stored: "asyncio.Future[bool]", confirmed: bool) -> None:
    if not stored.done():
        stored.set_result(confirmed)
