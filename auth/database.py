"""The pool of connections to PostgreSQL, and what its absence looks like to a caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from service.http.problems import UNAVAILABLE, ProblemError
from service.logging import get_logger

logger = get_logger(__name__)

CONNECT_TIMEOUT_S = 30.0
WAIT_FOR_CONNECTION_S = 5.0
_CHECK_TIMEOUT_S = 1.5

Connection = AsyncConnection[TupleRow]


class Database:
    """Hands out connections, each with a transaction that commits if the block ends well."""

    def __init__(self, dsn: str, size: int) -> None:
        self._pool = AsyncConnectionPool(
            dsn, min_size=1, max_size=size, open=False, timeout=WAIT_FOR_CONNECTION_S, name="auth"
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the pool, waiting up to 30 s for the server; close it at the end."""
        try:
            await self._pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
            yield
        finally:
            await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction. Raises `ProblemError` (503) when there is none to have."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            logger.warning("the database does not answer", error=str(error))
            raise ProblemError(UNAVAILABLE, headers={"Retry-After": "1"}) from error

    async def check(self) -> str | None:
        """Readiness: None when a query is answered, else what went wrong."""
        try:
            async with self._pool.connection(timeout=_CHECK_TIMEOUT_S) as connection:
                await connection.execute("SELECT 1")
        except (PoolTimeout, psycopg.Error) as error:
            return f"{type(error).__name__}: {error}"
        return None
