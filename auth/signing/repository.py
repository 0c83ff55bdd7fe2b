"""Signing keys in PostgreSQL."""

from dataclasses import dataclass

from auth.database import Connection

# Any constant will do, as long as nothing else in the database locks it.
_ADVISORY_LOCK = 0x1EAC_A0_02


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of signing_keys that signs."""

    kid: str
    private_key_encrypted: bytes


async def lock_signing_keys(connection: Connection) -> None:
    """Until the transaction ends, no other replica makes or rotates keys."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))


async def active_key(connection: Connection) -> StoredKey | None:
    """The one key that signs, if there is one yet."""
    cursor = await connection.execute(
        "SELECT kid, private_key_encrypted FROM signing_keys WHERE state = 'active'"
    )
    row = await cursor.fetchone()
    return StoredKey(row[0], bytes(row[1])) if row else None


async def insert_active_key(
    connection: Connection, kid: str, algorithm: str, public_pem: str, encrypted: bytes
) -> None:
    """Store a key as the one that signs."""
    await connection.execute(
        "INSERT INTO signing_keys (kid, algorithm, state, public_key_pem, private_key_encrypted)"
        " VALUES (%s, %s, 'active', %s, %s)",
        (kid, algorithm, public_pem, encrypted),
    )


async def unexpired_public_keys(connection: Connection) -> list[tuple[str, str]]:
    """(kid, public key PEM) of every key that may have signed a valid token, newest first."""
    cursor = await connection.execute(
        "SELECT kid, public_key_pem FROM signing_keys"
        " WHERE expires_at IS NULL OR expires_at > now() ORDER BY created_at DESC"
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]
