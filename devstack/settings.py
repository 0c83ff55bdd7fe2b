"""What the environment says about the servers, read once."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _user_cache() -> Path:
    return Path.home() / ".cache" / "leaky-tokens"


class DevstackSettings(BaseSettings):
    """Settings of the embedded servers, from `LEAKY_…` environment variables."""

    model_config = SettingsConfigDict(env_prefix="LEAKY_", extra="ignore")

    data_dir: Path = Field(
        default=Path(".leaky"), description="Folder of the servers' data, logs and state file."
    )
    cache_dir: Path = Field(
        default_factory=_user_cache,
        description="Folder of fetched jars, shared by every data folder.",
    )
    maven_repository: str | None = Field(
        default=None,
        description="Base URL of the Maven repository to fetch jars from; none: jgo's.",
    )
    kafka_bootstrap_servers: str | None = Field(
        default=None,
        description="Address, host:port[,…], of a Kafka to use in place of the embedded one.",
    )
    postgres_dsn: str | None = Field(
        default=None,
        description="URL of a PostgreSQL database to use in place of the embedded one.",
    )
    redis_url: str | None = Field(
        default=None, description="URL of a Redis or Valkey to use in place of the embedded one."
    )

    def external_address(self, server_name: str) -> str | None:
        """The configured address of `kafka`, `postgres` or `valkey`; None if it is embedded."""
        addresses = {
            "kafka": self.kafka_bootstrap_servers,
            "postgres": self.postgres_dsn,
            "valkey": self.redis_url,
        }
        return addresses[server_name] or None
