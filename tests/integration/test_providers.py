"""Adapters and what guards them, against the real stub processes."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from providers.catalogue import PROVIDER_NAMES, open_providers
from providers.completion import (
    CompletionRequest,
    CompletionResult,
    FailureReason,
    ProviderFailedError,
)
from providers.resilience import ResilientProvider
from providers.settings import ProviderSettings
from service.metrics import Metrics
from tests.service_process import ServiceProcess, free_port, running


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    folder = tmp_path_factory.mktemp("stubs")
    with ExitStack() as stack:
        processes = {}
        for name in PROVIDER_NAMES:
            port = free_port()
            processes[name] = stack.enter_context(
                running(
                    ["-m", "providers", "--name", name],
                    port,
                    folder / name,
                    {f"LEAKY_{name.upper()}_PORT": str(port)},
                    "/health/ready",
                )
            )
        yield processes


@asynccontextmanager
async def called(
    stubs: dict[str, ServiceProcess], name: str, metrics: Metrics | None = None, **bounds: int
) -> AsyncIterator[ResilientProvider]:
    """The provider of that name, calling its stub within those bounds."""
    settings = ProviderSettings.model_validate(
        {f"{name}_url": process.url for name, process in stubs.items()}
        | {"openai_api_key": "sk-secret", "provider_backoff_ms": 10}
        | bounds
    )
    async with open_providers(settings, metrics or Metrics("test")) as providers:
        yield providers[name]


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an async scenario to its end."""
    asyncio.run(scenario())


def request(prompt: str = "hello", model: str | None = None, **stub: object) -> CompletionRequest:
    """A request whose stub headers are the keywords: error_rate=1 is X-Stub-Error-Rate."""
    headers = {f"X-Stub-{key.replace('_', '-').title()}": str(stub[key]) for key in stub}
    return CompletionRequest(prompt=prompt, model=model, stub_headers=headers)


async def failure(provider: ResilientProvider, asked: CompletionRequest) -> ProviderFailedError:
    """The failure of a call that must fail."""
    with pytest.raises(ProviderFailedError) as failed:
        await provider.complete(asked)
    return failed.value


def requests_seen(stub: ServiceProcess) -> int:
    """How many completions the stub was asked for since its start."""
    text = httpx2.get(stub.url + "/metrics").text
    counts = re.findall(r'http_request_seconds_count{.*method="POST".*} (\S+)', text)
    return int(sum(float(count) for count in counts))


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_a_completion_comes_back_with_text_model_and_usage(
    stubs: dict[str, ServiceProcess], name: str
) -> None:
    async def scenario() -> None:
        async with called(stubs, name) as provider:
            result = await provider.complete(request(model="some-model", usage_tokens=800))

        assert result.provider == name
        assert result.model == "some-model"
        assert result.usage_tokens == 800
        assert len(result.text.split()) >= 5
        assert result.raw

    run(scenario)


@pytest.mark.parametrize("name", PROVIDER_NAMES)
def test_a_seed_makes_the_answer_repeatable(stubs: dict[str, ServiceProcess], name: str) -> None:
    async def scenario() -> None:
        async with called(stubs, name) as provider:

            async def ask(seed: int) -> CompletionResult:
                return await provider.complete(request(seed=seed))

            first, again, other = await ask(7), await ask(7), await ask(8)

        assert (first.text, first.usage_tokens) == (again.text, again.usage_tokens)
        assert other.text != first.text

    run(scenario)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_that_may_pass_is_tried_three_times_in_all(
    stubs: dict[str, ServiceProcess], status: int
) -> None:
    async def scenario() -> None:
        before = requests_seen(stubs["openai"])
        metrics = Metrics("test")
        async with called(stubs, "openai", metrics) as provider:
            failed = await failure(provider, request(error_rate=1, error_status=status))

        assert (failed.reason, failed.status, failed.retryable) == ("status", status, True)
        assert requests_seen(stubs["openai"]) - before == 3
        text = metrics.render().decode()
        assert 'provider_retries_total{application="test",provider="openai"} 2.0' in text
        assert 'provider_call_seconds_count{application="test",outcome="status"' in text

    run(scenario)


def test_a_retry_can_succeed(stubs: dict[str, ServiceProcess]) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "gemini", breaker_minimum_calls=1000, provider_retries=10
        ) as provider:
            for _ in range(10):
                result = await provider.complete(request(error_rate=0.5))
                assert result.text

    before = requests_seen(stubs["gemini"])
    run(scenario)
    assert requests_seen(stubs["gemini"]) - before > 10


def test_our_own_mistake_is_not_retried_and_leaves_the_circuit_closed(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        before = requests_seen(stubs["openai"])
        async with called(stubs, "openai", breaker_minimum_calls=2) as provider:
            for _ in range(5):
                failed = await failure(provider, request(error_rate=1, error_status=400))
                assert (failed.reason, failed.retryable) == ("status", False)
            assert provider.circuit_state == "closed"
        assert requests_seen(stubs["openai"]) - before == 5

    run(scenario)


def test_a_provider_that_is_not_there_is_refused_after_retries(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        settings = ProviderSettings(
            qwen_url=f"http://127.0.0.1:{free_port()}", provider_backoff_ms=10
        )
        metrics = Metrics("test")
        async with open_providers(settings, metrics) as providers:
            failed = await failure(providers["qwen"], request())
        assert (failed.reason, failed.retryable) == ("refused", True)
        text = metrics.render().decode()
        assert 'provider_retries_total{application="test",provider="qwen"} 2.0' in text

    del stubs
    run(scenario)


def test_a_slow_attempt_times_out_and_is_not_repeated(stubs: dict[str, ServiceProcess]) -> None:
    async def scenario() -> None:
        async with called(stubs, "qwen", provider_attempt_timeout_ms=200) as provider:
            started = time.monotonic()
            failed = await failure(provider, request(latency_ms=5_000))
            took_s = time.monotonic() - started

        assert (failed.reason, failed.retryable) == ("timeout", False)
        assert 0.2 <= took_s < 3

    run(scenario)


def test_the_deadline_ends_everything(stubs: dict[str, ServiceProcess]) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "qwen", provider_deadline_ms=400, provider_backoff_ms=5_000
        ) as provider:
            started = time.monotonic()
            failed = await failure(provider, request(error_rate=1))
            slow = await failure(provider, request(latency_ms=5_000))
            took_s = time.monotonic() - started

        assert failed.reason == slow.reason == "timeout"
        assert took_s < 4

    run(scenario)


def test_the_bulkhead_bounds_the_calls_at_once(stubs: dict[str, ServiceProcess]) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "gemini", provider_concurrent_calls=3, provider_queue_ms=100
        ) as provider:
            before = requests_seen(stubs["gemini"])
            outcomes = await asyncio.gather(
                *(provider.complete(request(latency_ms=2_000)) for _ in range(8)),
                return_exceptions=True,
            )
            after = requests_seen(stubs["gemini"])

            refused = [o for o in outcomes if isinstance(o, ProviderFailedError)]
            assert [failed.reason for failed in refused] == ["bulkhead-full"] * 5
            assert all(failed.retryable for failed in refused)
            assert after - before == 3
            # Every place is free again.
            assert await asyncio.gather(*(provider.complete(request()) for _ in range(3)))

    run(scenario)


def test_a_call_waits_for_a_place_that_becomes_free_in_time(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        async with called(
            stubs, "gemini", provider_concurrent_calls=1, provider_queue_ms=10_000
        ) as provider:
            results = await asyncio.gather(
                *(provider.complete(request(latency_ms=50)) for _ in range(4))
            )
        assert len(results) == 4

    run(scenario)


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


def test_a_path_the_provider_does_not_know_is_our_mistake(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        settings = ProviderSettings(gemini_url=stubs["qwen"].url)
        async with open_providers(settings, Metrics("test")) as providers:
            failed = await failure(providers["gemini"], request())
        assert (failed.reason, failed.status, failed.retryable) == ("status", 404, False)

    run(scenario)


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b'{"choices": []}', b'{"choices": [{}], "model": "m"}']
)
def test_an_answer_in_another_shape_is_malformed_and_not_quoted(body: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            settings = ProviderSettings(openai_url=f"http://127.0.0.1:{port}")
            async with open_providers(settings, Metrics("test")) as providers:
                failed = await failure(providers["openai"], request())
        assert (failed.reason, failed.retryable) == ("malformed", False)
        assert body.decode() not in str(failed)

    run(scenario)


def test_neither_the_key_nor_the_prompt_shows_in_a_failure(
    stubs: dict[str, ServiceProcess],
) -> None:
    async def scenario() -> None:
        async with called(stubs, "openai", provider_retries=0) as provider:
            failed = await failure(provider, request("my secret plan", error_rate=1))
        assert "sk-secret" not in str(failed)
        assert "secret plan" not in str(failed)
        assert "secret" not in repr(ProviderSettings.model_validate({"openai_api_key": "secret"}))

    run(scenario)
    assert "sk-secret" not in stubs["openai"].log()


def test_a_stub_stops_cleanly(tmp_path: Path) -> None:
    port = free_port()
    with running(
        ["-m", "providers", "--name", "qwen"],
        port,
        tmp_path / "log",
        {"LEAKY_QWEN_PORT": str(port), "LEAKY_STUB_USAGE_TOKENS": "42"},
    ) as stub:
        body = {"model": "m", "input": {"messages": [{"role": "user", "content": "hello"}]}}
        answer = httpx2.post(
            stub.url + "/api/v1/services/aigc/text-generation/generation", json=body
        )
        assert answer.json()["usage"]["total_tokens"] == 42
        assert stub.terminate() == 0
