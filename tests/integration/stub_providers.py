"""The stub providers as processes, and calls of them within given bounds."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from providers.catalogue import PROVIDER_NAMES, open_providers
from providers.completion import CompletionRequest, ProviderFailedError
from providers.resilience import ResilientProvider
from providers.settings import ProviderSettings
from service.metrics import Metrics
from tests.service_process import ServiceProcess, free_port, running


@contextmanager
def running_stubs(folder: Path) -> Iterator[dict[str, ServiceProcess]]:
    """Every stub provider, by name."""
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
