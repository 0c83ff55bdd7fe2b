"""Encrypts private keys at rest, with a key from the settings or from a file of the data folder."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_FILE_NAME = "auth-key-encryption-key"


class KeyEncryptionError(Exception):
    """The key-encryption key is unusable, or not the one the signing keys were encrypted with."""


class KeyEncryption:
    """AES-256-GCM under one key; the key id is authenticated along with the ciphertext."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, plaintext: bytes, kid: str) -> bytes:
        """12 bytes nonce, then ciphertext and tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, kid.encode())

    def decrypt(self, encrypted: bytes, kid: str) -> bytes:
        """The plaintext. Raises `KeyEncryptionError` when the key or the kid is another."""
        nonce, ciphertext = encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, kid.encode())
        except InvalidTag:
            raise KeyEncryptionError(
                f"signing key {kid} was encrypted with another key: set "
                "LEAKY_AUTH_KEY_ENCRYPTION_KEY (or the file in LEAKY_DATA_DIR) to that one"
            ) from None


def key_encryption(configured: str | None, data_dir: Path) -> KeyEncryption:
    """From the configured base64 text, else from the data folder's file, made if missing.

    Raises `KeyEncryptionError` when the text or the file is not 32 bytes in base64.
    """
    if configured is not None:
        return KeyEncryption(_decoded(configured, "LEAKY_AUTH_KEY_ENCRYPTION_KEY"))
    file = data_dir / _FILE_NAME
    _make_if_missing(file)
    return KeyEncryption(_decoded(file.read_text(), str(file)))


def _decoded(text: str, origin: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), altchars=b"-_" if set(text) & set("-_") else None)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyEncryptionError(f"{origin} must hold {KEY_BYTES} bytes in base64")
    return key


def _make_if_missing(file: Path) -> None:
    """Written elsewhere and linked into place: whoever sees the file sees all of it, one wins."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)))
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        draft.unlink()
