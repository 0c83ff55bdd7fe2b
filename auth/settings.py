"""The auth server's settings."""

from pydantic import Field, SecretStr

from service.settings import HttpServiceSettings


class AuthSettings(HttpServiceSettings):
    """Settings of the auth server."""

    postgres_dsn: SecretStr = Field(
        default=SecretStr("postgresql://leaky@127.0.0.1:5432/leaky"),
        description="Where users and keys are kept: a PostgreSQL URL or `key=value` string.",
    )
    auth_port: int = Field(
        default=8081, ge=1, le=65535, description="TCP port the auth server listens on."
    )
    auth_workers: int = Field(
        default=1, ge=1, le=64, description="Number of processes that answer requests."
    )
    auth_migrate_at_start: bool = Field(
        default=True,
        description="Whether the server brings the tables up to date before it serves. Switched "
        "off, `python -m auth migrate` has to do it.",
    )
    auth_key_encryption_key: SecretStr | None = Field(
        default=None,
        description="32 random bytes in base64 that encrypt the signing keys in the database; "
        "the same for every replica. Without it a key is generated in the data folder, which "
        "suits one development machine.",
    )
    auth_token_lifetime_seconds: int = Field(
        default=3600, ge=60, le=86400, description="How long a token is valid."
    )
    auth_pool_size: int = Field(
        default=8, ge=1, le=200, description="Number of database connections of each worker."
    )
    auth_password_threads: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Number of passwords hashed at once by each worker; each takes 19 MiB.",
    )
    auth_password_queue: int = Field(
        default=100,
        ge=1,
        description="Number of requests that may wait for a hashing thread before further ones "
        "are answered 503.",
    )
    admin_password: SecretStr | None = Field(
        default=None,
        description="Password of the user that `python -m auth create-admin` makes; without it "
        "the command asks.",
    )
