"""Settings of the gateway."""

from pydantic import Field

from providers.settings import ProviderSettings
from service.settings import HttpServiceSettings
from topics.settings import TopicsSettings


class GatewaySettings(HttpServiceSettings, TopicsSettings, ProviderSettings):
    """The REST gateway: where it listens, how long it waits, how much it takes on."""

    gateway_port: int = Field(8080, ge=1, le=65_535, description="TCP port of the gateway.")
    gateway_alias_port: int = Field(
        8082,
        ge=0,
        le=65_535,
        description="A second TCP port with the same routes, for clients that are configured with "
        "a base address of their own for tokens; 0 turns it off.",
    )
    gateway_workers: int = Field(
        1, ge=1, le=64, description="Number of processes that share the port."
    )
    gateway_reply_deadline_ms: int = Field(
        2_000, ge=100, le=60_000, description="Milliseconds that a command's reply is waited for."
    )
    gateway_durable_deadline_ms: int = Field(
        10_000,
        ge=100,
        le=120_000,
        description="Milliseconds that the broker's acknowledgement of a settle or void is waited "
        "for; sending goes on in the background for a minute.",
    )
    gateway_max_in_flight: int = Field(
        4_096,
        ge=1,
        description="Number of commands a worker may wait for at once; beyond it requests get 503.",
    )
    gateway_linger_ms: float = Field(
        0.0,
        ge=0,
        le=50,
        description="Milliseconds that a command may wait for others to share its batch.",
    )
    gateway_stop_timeout_s: float = Field(
        20.0, ge=0, description="Seconds that accepted requests get to end when the gateway stops."
    )
    auth_url: str = Field(
        "http://127.0.0.1:8081", description="Base address of the auth server, whose JWKS counts."
    )
    jwt_issuer: str = Field("leaky-tokens-auth", description="The `iss` that a token must carry.")
    jwt_audience: str = Field("leaky-tokens", description="The `aud` that a token must carry.")
    jwks_max_age_s: float = Field(
        300.0, gt=0, description="Seconds after which the auth server's keys are fetched again."
    )
    jwks_refetch_interval_s: float = Field(
        10.0,
        ge=0,
        description="Least seconds between two fetches caused by tokens with unknown keys.",
    )
    token_cache_size: int = Field(
        10_000, ge=0, description="Number of verified tokens that a worker remembers."
    )
