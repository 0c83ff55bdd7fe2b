"""What keeps a provider's trouble from becoming ours.

From the outside in: a deadline over everything, a bulkhead (so many calls at once, a bounded wait
for a place), retries with backoff, a circuit breaker that sees every attempt, and a time-out of
the attempt. Only attempts that certainly did nothing are repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import stamina
from fluxgate import AsyncCircuitBreaker
from fluxgate.errors import CallNotPermittedError
from fluxgate.permits import Permit
from fluxgate.retries import Cooldown
from fluxgate.signal import Signal
from fluxgate.trackers import Custom
from fluxgate.trippers import Closed, FailureRate, HalfOpened, MinRequests
from fluxgate.windows import CountWindow

from providers.completion import (
    CompletionRequest,
    CompletionResult,
    FailureReason,
    ProviderAdapter,
    ProviderFailedError,
)
from service.logging import get_logger
from service.metric_names import PROVIDER_CALL_SECONDS, PROVIDER_CIRCUIT_OPEN, PROVIDER_RETRIES
from service.metrics import Metrics

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The bounds of a provider's calls; the settings of the same names explain them."""

    deadline_ms: int = 30_000
    attempt_timeout_ms: int = 20_000
    retries: int = 2
    backoff_ms: int = 100
    concurrent_calls: int = 64
    queue_ms: int = 1_000
    breaker_window_calls: int = 20
    breaker_minimum_calls: int = 10
    breaker_failure_percent: int = 50
    breaker_open_ms: int = 10_000
    breaker_probe_calls: int = 3


class ResilientProvider:
    """An adapter within bounds; itself an adapter."""

    def __init__(self, adapter: ProviderAdapter, limits: CallLimits, metrics: Metrics) -> None:
        self.name = adapter.name
        self._adapter = adapter
        self._limits = limits
        self._places = asyncio.Semaphore(limits.concurrent_calls)
        self._probes = _Probes(limits.breaker_probe_calls)
        self._seconds = metrics.histogram(PROVIDER_CALL_SECONDS)
        self._retries = metrics.counter(PROVIDER_RETRIES).labels(provider=self.name)
        self._open = metrics.gauge(PROVIDER_CIRCUIT_OPEN).labels(provider=self.name)
        self._open.set(0)
        self._breaker = _circuit_breaker(limits, self._probes, self._on_breaker_change)

    @property
    def circuit_state(self) -> str:
        """`closed`, `open` or `half_open`."""
        return str(self._breaker.info().state)

    async def complete(self, request: CompletionRequest) -> CompletionResult:
        """Ask, within all bounds. Raises `ProviderFailedError` no later than the deadline."""
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            result = await self._within_deadline(request)
            outcome = "success"
        except ProviderFailedError as failure:
            outcome = failure.reason.value
            raise
        finally:
            seconds = time.perf_counter() - started
            self._seconds.labels(provider=self.name, outcome=outcome).observe(seconds)
        return result

    async def _within_deadline(self, request: CompletionRequest) -> CompletionResult:
        deadline = asyncio.get_running_loop().time() + self._limits.deadline_ms / 1000
        try:
            async with asyncio.timeout_at(deadline), self._place():
                return await self._with_retries(request, deadline)
        except TimeoutError:
            raise self._timed_out(self._limits.deadline_ms) from None

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.queue_ms / 1000):
                await self._places.acquire()
        except TimeoutError:
            raise ProviderFailedError(
                self.name,
                FailureReason.BULKHEAD_FULL,
                retryable=True,
                detail=f"{self._limits.concurrent_calls} calls are under way",
            ) from None
        try:
            yield
        finally:
            self._places.release()

    async def _with_retries(self, request: CompletionRequest, deadline: float) -> CompletionResult:
        async for attempt in stamina.retry_context(
            on=_may_be_repeated,
            attempts=self._limits.retries + 1,
            timeout=None,
            wait_initial=self._limits.backoff_ms / 1000,
            wait_max=max(2.0, self._limits.backoff_ms / 1000),
            wait_jitter=self._limits.backoff_ms / 1000,
        ):
            with attempt:
                if attempt.num > 1:
                    self._retries.inc()
                return await self._through_breaker(request, deadline)
        raise AssertionError("the last attempt either returns or raises")

    async def _through_breaker(
        self, request: CompletionRequest, deadline: float
    ) -> CompletionResult:
        try:
            return await self._breaker.call(self._attempt, request, deadline)
        except CallNotPermittedError:
            raise ProviderFailedError(
                self.name,
                FailureReason.CIRCUIT_OPEN,
                retryable=True,
                detail="the circuit breaker is open",
            ) from None

    async def _attempt(self, request: CompletionRequest, deadline: float) -> CompletionResult:
        # Ends before the deadline does, so that the breaker sees a time-out and no cancellation.
        left_ms = (deadline - asyncio.get_running_loop().time()) * 1000
        timeout_ms = min(self._limits.attempt_timeout_ms, left_ms * 0.95)
        with self._probes.running(self.circuit_state):
            try:
                async with asyncio.timeout(timeout_ms / 1000):
                    return await self._adapter.complete(request)
            except TimeoutError:
                raise self._timed_out(timeout_ms) from None

    def _timed_out(self, timeout_ms: float) -> ProviderFailedError:
        return ProviderFailedError(
            self.name,
            FailureReason.TIMEOUT,
            retryable=False,
            detail=f"no answer within {timeout_ms:.0f} ms",
        )

    def _on_breaker_change(self, signal: Signal) -> None:
        self._open.set(1 if signal.new_state == "open" else 0)
        logger.warning(
            "circuit breaker changed",
            provider=self.name,
            before=signal.old_state,
            after=signal.new_state,
        )


class _Probes(Permit):
    """Lets that many calls at once into a half-open circuit and refuses the others.

    The breaker's own limit would make the others wait for the probes instead.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0

    def __call__(self, changed_at: float) -> bool:
        del changed_at
        return self._running < self._limit

    @contextmanager
    def running(self, circuit_state: str) -> Iterator[None]:
        """Counts a call as a probe while it runs, if it began in a half-open circuit."""
        counted = int(circuit_state == "half_open")
        self._running += counted
        try:
            yield
        finally:
            self._running -= counted


def _circuit_breaker(
    limits: CallLimits, probes: _Probes, on_change: Callable[[Signal], None]
) -> AsyncCircuitBreaker:
    """Opens on the share of failures in the window; half-open, the first outcome decides."""
    failures = FailureRate(limits.breaker_failure_percent / 100)
    return AsyncCircuitBreaker(
        window=CountWindow(limits.breaker_window_calls),
        tracker=Custom(_speaks_against_provider),
        tripper=(Closed() & MinRequests(limits.breaker_minimum_calls) & failures)
        | (HalfOpened() & failures),
        retry=Cooldown(limits.breaker_open_ms / 1000),
        permit=probes,
        max_half_open_calls=limits.concurrent_calls,
        listeners=[on_change],
    )


def _speaks_against_provider(error: Exception) -> bool:
    """Not our own mistakes (a status 4xx): they say nothing about the provider's health."""
    return not isinstance(error, ProviderFailedError) or (
        error.reason is not FailureReason.STATUS or error.retryable
    )


def _may_be_repeated(error: Exception) -> bool:
    """Only what certainly did nothing: not reached, or refused with 429 or 5xx."""
    return (
        isinstance(error, ProviderFailedError)
        and error.retryable
        and error.reason in (FailureReason.REFUSED, FailureReason.STATUS)
    )
