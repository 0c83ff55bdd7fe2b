"""Settings of the calls to AI providers."""

from pydantic import Field, SecretStr

from service.settings import ServiceSettings


class ProviderSettings(ServiceSettings):
    """Where the AI providers are and how long, how often and how many at once they are called."""

    qwen_url: str = Field(
        default="http://127.0.0.1:8091", description="Base URL of Qwen's DashScope interface."
    )
    gemini_url: str = Field(
        default="http://127.0.0.1:8092", description="Base URL of the Gemini interface."
    )
    openai_url: str = Field(
        default="http://127.0.0.1:8093", description="Base URL of the OpenAI interface."
    )
    qwen_api_key: SecretStr | None = Field(default=None, description="API key for Qwen.")
    gemini_api_key: SecretStr | None = Field(default=None, description="API key for Gemini.")
    openai_api_key: SecretStr | None = Field(default=None, description="API key for OpenAI.")
    provider_deadline_ms: int = Field(
        default=30_000,
        ge=1,
        le=55_000,
        description="How long a call may take with its waiting and its retries; below the 60 s "
        "for which a hold lives.",
    )
    provider_attempt_timeout_ms: int = Field(
        default=20_000, ge=1, description="How long one attempt of a call may take."
    )
    provider_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Number of further attempts when the provider was not reached or answered "
        "429 or 5xx.",
    )
    provider_backoff_ms: int = Field(
        default=100, ge=1, description="Wait before the first retry; doubled for each further one."
    )
    provider_concurrent_calls: int = Field(
        default=64, ge=1, description="Number of calls of one provider at the same time."
    )
    provider_queue_ms: int = Field(
        default=1_000, ge=0, description="How long a call waits for its turn before it is refused."
    )
    breaker_window_calls: int = Field(
        default=20, ge=1, description="Number of latest attempts the circuit breaker looks at."
    )
    breaker_minimum_calls: int = Field(
        default=10, ge=1, description="Number of attempts before the circuit breaker may open."
    )
    breaker_failure_percent: int = Field(
        default=50, ge=1, le=100, description="Share of failures that opens the circuit breaker."
    )
    breaker_open_ms: int = Field(
        default=10_000, ge=1, description="How long an open circuit breaker refuses every call."
    )
    breaker_probe_calls: int = Field(
        default=3, ge=1, description="Number of calls at once that probe a half-open provider."
    )
