"""The key ring: the key that signs, and the public keys others verify with."""

import asyncio

from auth.database import Database
from auth.signing import repository
from auth.signing.encryption import KeyEncryption
from auth.signing.keys import ALGORITHM, SigningKey, jwk, new_signing_key, signing_key_from_pem
from service.logging import get_logger

logger = get_logger(__name__)


class KeyRing:
    """The signing keys that all replicas share through the database."""

    def __init__(self, database: Database, encryption: KeyEncryption) -> None:
        self._database = database
        self._encryption = encryption
        self._active: SigningKey | None = None

    @property
    def active(self) -> SigningKey:
        """The key to sign with; only after `load`."""
        if self._active is None:
            raise RuntimeError("the key ring is used before it was loaded")
        return self._active

    async def load(self) -> None:
        """Take the active key from the database, or make it if this is the first start.

        Replicas that start together agree on one key. Raises `KeyEncryptionError` when the stored
        key was encrypted with another key-encryption key.
        """
        async with self._database.transaction() as connection:
            await repository.lock_signing_keys(connection)
            stored = await repository.active_key(connection)
            if stored is not None:
                pem = self._encryption.decrypt(stored.private_key_encrypted, stored.kid)
                self._active = signing_key_from_pem(stored.kid, pem)
                return
            key = await asyncio.to_thread(new_signing_key)
            await repository.insert_active_key(
                connection,
                key.kid,
                ALGORITHM,
                key.public_pem(),
                self._encryption.encrypt(key.private_pem(), key.kid),
            )
            self._active = key
            logger.info("made the first signing key", kid=key.kid)

    async def public_keys(self) -> list[dict[str, str]]:
        """Every unexpired key as a JSON Web Key, newest first."""
        async with self._database.transaction() as connection:
            stored = await repository.unexpired_public_keys(connection)
        return [jwk(kid, pem) for kid, pem in stored]
