"""All providers we know, ready to be called."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from providers.adapters import gemini, openai, qwen
from providers.adapters.gemini import GeminiAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.qwen import QwenAdapter
from providers.resilience import CallLimits, ResilientProvider
from providers.settings import ProviderSettings
from service.metrics import Metrics

PROVIDER_NAMES = (qwen.NAME, gemini.NAME, openai.NAME)


@asynccontextmanager
async def open_providers(
    settings: ProviderSettings, metrics: Metrics
) -> AsyncIterator[Mapping[str, ResilientProvider]]:
    """The providers by name, each within its bounds; their connections close at the end."""
    adapters = (
        QwenAdapter(settings.qwen_url, _text(settings.qwen_api_key)),
        GeminiAdapter(settings.gemini_url, _text(settings.gemini_api_key)),
        OpenAIAdapter(settings.openai_url, _text(settings.openai_api_key)),
    )
    limits = call_limits(settings)
    async with AsyncExitStack() as stack:
        for adapter in adapters:
            stack.push_async_callback(adapter.close)
        yield {adapter.name: ResilientProvider(adapter, limits, metrics) for adapter in adapters}


def call_limits(settings: ProviderSettings) -> CallLimits:
    """The bounds that the settings describe."""
    return CallLimits(
        deadline_ms=settings.provider_deadline_ms,
        attempt_timeout_ms=settings.provider_attempt_timeout_ms,
        retries=settings.provider_retries,
        backoff_ms=settings.provider_backoff_ms,
        concurrent_calls=settings.provider_concurrent_calls,
        queue_ms=settings.provider_queue_ms,
        breaker_window_calls=settings.breaker_window_calls,
        breaker_minimum_calls=settings.breaker_minimum_calls,
        breaker_failure_percent=settings.breaker_failure_percent,
        breaker_open_ms=settings.breaker_open_ms,
        breaker_probe_calls=settings.breaker_probe_calls,
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
