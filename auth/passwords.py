"""Hashes and verifies passwords with argon2id, off the event loop and never without bound."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.http.problems import UNAVAILABLE, ProblemError

T = TypeVar("T")

MEMORY_KIB = 19 * 1024


class Passwords:
    """Argon2id with 19 MiB, two passes and one lane (OWASP's recommendation for servers).

    `threads` hashes run at once, `queue` may wait; further ones are refused with 503, so that a
    flood of log-ins takes neither all memory nor all time.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._limit = threads + queue
        self._pending = 0
        # Verified for unknown users, so that they take as long as known ones.
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash to store, with its parameters and salt in it."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored_hash: str | None, password: str) -> bool:
        """Whether the password is the one; with no stored hash as slow, and False."""
        return await self._run(lambda: self._verify(stored_hash, password))

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._limit:
            raise ProblemError(UNAVAILABLE, headers={"Retry-After": "1"})
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._pending -= 1

    def _verify(self, stored_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored_hash or self._nobodys_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored_hash is not None
