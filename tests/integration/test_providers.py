"""Adapters and what guards them, against the real stub processes."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from providers.catalogue import PROVIDER_NAMES, open_providers
from providers.completion import (
    CompletionResult,
    ProviderFailedError,
)
from providers.settings import ProviderSettings
from service.metrics import Metrics
from tests.integration.stub_providers import (
    called,
    failure,
    request,
    requests_seen,
    run,
    running_stubs,
)
from tests.service_process import ServiceProcess, free_port, running


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    with running_stubs(tmp_path_factory.mktemp("stubs")) as processes:
        yield processes


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
