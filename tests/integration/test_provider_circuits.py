"""Circuit breakers of provider calls, against the real stub processes."""

import asyncio
from collections.abc import Iterator

import pytest

from providers.completion import (
    CompletionRequest,
    FailureReason,
    ProviderFailedError,
)
from providers.resilience import ResilientProvider
from service.metrics import Metrics
from tests.integration.stub_providers import (
    called,
    failure,
    request,
    requests_seen,
    run,
    running_stubs,
)
from tests.service_process import ServiceProcess


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    with running_stubs(tmp_path_factory.mktemp("stubs")) as processes:
        yield processes


async def half_opened(provider: ResilientProvider, asked: CompletionRequest) -> None:
    """Ask until the breaker lets a call through again; the call's own failure is expected."""
    async with asyncio.timeout(10):
        while True:
            try:
                await provider.complete(asked)
            except ProviderFailedError as failed:
                if failed.reason is FailureReason.CIRCUIT_OPEN:
                    await asyncio.sleep(0.01)
                    continue
            return


def test_the_circuit_opens_after_failures_and_asks_the_provider_no_more(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        metrics = Metrics("test")
        async with called(stubs, "openai", metrics, provider_retries=0) as provider:
            for _ in range(9):
                assert (await failure(provider, request(error_rate=1))).reason == "status"
            assert provider.circuit_state == "closed"
            await failure(provider, request(error_rate=1))
            assert provider.circuit_state == "open"

            before = requests_seen(stubs["openai"])
            failed = await failure(provider, request())
            assert (failed.reason, failed.retryable) == ("circuit-open", True)
            assert requests_seen(stubs["openai"]) == before
        text = metrics.render().decode()
        assert 'provider_circuit_open{application="test",provider="openai"} 1.0' in text

    run(scenario)


def test_half_the_calls_failing_opens_and_fewer_does_not(stubs: dict[str, ServiceProcess]) -> None:
    async def state_after(failures: int) -> str:
        async with called(stubs, "openai", provider_retries=0) as provider:
            for number in range(20):
                asked = request(error_rate=int(number >= 20 - failures))
                if number >= 20 - failures:
                    await failure(provider, asked)
                else:
                    await provider.complete(asked)
            return provider.circuit_state

    async def scenario() -> None:
        assert await state_after(9) == "closed"
        assert await state_after(10) == "open"

    run(scenario)


def test_an_open_circuit_probes_and_closes_when_the_provider_is_well_again(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "qwen", provider_retries=0, breaker_minimum_calls=2, breaker_open_ms=300
        ) as provider:
            for _ in range(2):
                await failure(provider, request(error_rate=1))
            assert provider.circuit_state == "open"

            # Still ill: the probe fails and the circuit opens again at once.
            await half_opened(provider, request(error_rate=1))
            assert provider.circuit_state == "open"

            # Well again: the probe succeeds and the circuit closes.
            await half_opened(provider, request())
            assert provider.circuit_state == "closed"

    run(scenario)


def test_a_half_open_circuit_lets_few_through_and_refuses_the_others_at_once(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        async with called(
            stubs,
            "qwen",
            provider_retries=0,
            breaker_minimum_calls=2,
            breaker_open_ms=100,
            breaker_probe_calls=2,
        ) as provider:
            for _ in range(2):
                await failure(provider, request(error_rate=1))
            async with asyncio.timeout(10):
                while True:  # until the cool-down is over: then every call of a round is decided
                    outcomes = await asyncio.gather(
                        *(provider.complete(request(latency_ms=300)) for _ in range(6)),
                        return_exceptions=True,
                    )
                    refused = [o for o in outcomes if isinstance(o, ProviderFailedError)]
                    if len(refused) < 6:
                        break
            assert len(refused) == 4
            assert {failed.reason for failed in refused} == {FailureReason.CIRCUIT_OPEN}

    run(scenario)


def test_time_outs_open_the_circuit(stubs: dict[str, ServiceProcess]) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "gemini", provider_attempt_timeout_ms=50, breaker_minimum_calls=3
        ) as provider:
            for _ in range(3):
                assert (await failure(provider, request(latency_ms=5_000))).reason == "timeout"
            assert provider.circuit_state == "open"

    run(scenario)
