"""Settings of the provider stubs."""

from pydantic import Field

from service.settings import HttpServiceSettings


class StubSettings(HttpServiceSettings):
    """How the provider stubs behave when a request does not say otherwise."""

    qwen_port: int = Field(default=8091, ge=1, le=65535, description="TCP port of the Qwen stub.")
    gemini_port: int = Field(
        default=8092, ge=1, le=65535, description="TCP port of the Gemini stub."
    )
    openai_port: int = Field(
        default=8093, ge=1, le=65535, description="TCP port of the OpenAI stub."
    )
    stub_latency_ms: int = Field(
        default=0, ge=0, le=120_000, description="Time before an answer; header X-Stub-Latency-Ms."
    )
    stub_error_rate: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Share of requests answered with an error, 0 to 1; header X-Stub-Error-Rate.",
    )
    stub_error_status: int = Field(
        default=503,
        ge=400,
        le=599,
        description="Number of the HTTP status of those errors; header X-Stub-Error-Status.",
    )
    stub_usage_tokens: int | None = Field(
        default=None,
        ge=0,
        description="Tokens reported as used; without it a plausible number from prompt and seed. "
        "Header X-Stub-Usage-Tokens.",
    )
    stub_seed: int = Field(
        default=1,
        description="Start number of the random sequence that a stub's answers are drawn from. "
        "Header X-Stub-Seed: the answer is then a function of seed and body alone.",
    )
