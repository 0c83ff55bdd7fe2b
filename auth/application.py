"""Puts the auth server together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from litestar import Litestar
from litestar.di import Provide

from auth.database import Database
from auth.passwords import Passwords
from auth.settings import AuthSettings
from auth.signing.encryption import key_encryption
from auth.signing.endpoints import list_public_keys
from auth.signing.service import KeyRing
from auth.users.endpoints import log_in, register
from auth.users.service import Users
from service.http.application import Parts, ServiceDescription, build_application
from service.http.edge import Edge
from service.metrics import Metrics

SERVICE_NAME = "auth"

_DESCRIPTION = ServiceDescription(
    title="Leaky Tokens auth server",
    version="1.0",
    description="Users, their credentials, and the keys that verify the tokens issued to them.",
)


def create_application(settings: AuthSettings) -> Edge:
    """The ASGI application; its lifespan opens the database and loads the signing key."""
    metrics = Metrics(SERVICE_NAME)
    database = Database(settings.postgres_dsn.get_secret_value(), settings.auth_pool_size)
    passwords = Passwords(settings.auth_password_threads, settings.auth_password_queue)
    key_ring = _key_ring(settings, database)
    users = Users(
        database,
        passwords,
        key_ring,
        metrics,
        timedelta(seconds=settings.auth_token_lifetime_seconds),
    )

    @asynccontextmanager
    async def resources(_: Litestar) -> AsyncIterator[None]:
        try:
            async with database.opened():
                await key_ring.load()
                yield
        finally:
            passwords.close()

    return build_application(
        Parts(
            description=_DESCRIPTION,
            metrics=metrics,
            routes=[register, log_in, list_public_keys],
            checks={"postgres": database.check},
            lifespan=[resources],
            dependencies={
                "users": Provide(lambda: users, sync_to_thread=False),
                "key_ring": Provide(lambda: key_ring, sync_to_thread=False),
            },
        )
    )


async def prepare_signing_key(settings: AuthSettings) -> None:
    """Make the first signing key, or see that the stored one can be read.

    Raises `KeyEncryptionError`, and psycopg's errors when the database does not answer.
    """
    database = Database(settings.postgres_dsn.get_secret_value(), size=1)
    async with database.opened():
        await _key_ring(settings, database).load()


def _key_ring(settings: AuthSettings, database: Database) -> KeyRing:
    configured = settings.auth_key_encryption_key
    key = configured.get_secret_value() if configured else None
    return KeyRing(database, key_encryption(key, settings.data_dir))
