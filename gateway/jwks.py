"""The auth server's public keys, fetched over HTTP and kept."""

import asyncio
import time

import httpx2
import jwt

from service.logging import get_logger

logger = get_logger(__name__)

JWKS_PATH = "/oauth2/jwks"
_FETCH_TIMEOUT_S = 2.0


class KeysUnavailableError(Exception):
    """No key is known and the auth server does not say any."""


class KeySet:
    """Signing keys by `kid`.

    Fetched when first needed, when they are older than `max_age_s`, and when a token names an
    unknown key, then at most once in `refetch_interval_s`: forged tokens must not become load on
    the auth server. Keys that were fetched before serve on while it does not answer.
    """

    def __init__(
        self, client: httpx2.AsyncClient, auth_url: str, max_age_s: float, refetch_interval_s: float
    ) -> None:
        self._client = client
        self._url = auth_url.rstrip("/") + JWKS_PATH
        self._max_age_s = max_age_s
        self._refetch_interval_s = refetch_interval_s
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id, None if the auth server has none.

        Raises `KeysUnavailableError` when no key was ever fetched.
        """
        now = time.monotonic()
        if now - self._fetched_at > self._max_age_s or key_id not in self._keys:
            await self._refresh(now)
        if not self._keys:
            raise KeysUnavailableError(f"{self._url} gave no keys")
        return self._keys.get(key_id)

    async def check(self) -> str | None:
        """For readiness: None once keys are known, else what is wrong."""
        if not self._keys:
            await self._refresh(time.monotonic())
        return None if self._keys else f"{self._url} gave no keys"

    async def _refresh(self, wanted_at: float) -> None:
        async with self._fetching:
            if self._tried_at > wanted_at:
                return  # another request fetched while this one waited
            # Without any key nobody can be served: then a moment's wait is enough.
            interval_s = self._refetch_interval_s if self._keys else 0.2
            if time.monotonic() - self._tried_at < interval_s:
                return
            self._tried_at = time.monotonic()
            try:
                response = await self._client.get(self._url, timeout=_FETCH_TIMEOUT_S)
                response.raise_for_status()
                keys = jwt.PyJWKSet.from_dict(response.json())
            except (httpx2.HTTPError, jwt.PyJWTError, ValueError, AttributeError) as error:
                logger.warning("fetching the signing keys failed", url=self._url, error=repr(error))
                return
            self._keys = {key.key_id: key for key in keys.keys if key.key_id}
            self._fetched_at = time.monotonic()
