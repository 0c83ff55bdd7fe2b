"""Signatures of privileged commands: Ed25519 (RFC 8032) over the RFC 8785 form of the command.

What is signed is the JSON object as it travels, without its member `signature` but with every
other, known or not: so a signature stays good under readers that know fewer fields, and nothing
can be added to a signed command.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.policies import IssuerKey

MAX_DEPTH = 32
"""How deep a signed command may nest; a bound, so that no stack's depth decides the answer."""

_SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key that signs, under the name by which policies know its public half."""

    key_id: str
    private_key: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> Self:
        """A new key; its id is the start of its public half's SHA-256."""
        return cls.of(Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, private_key: Ed25519PrivateKey) -> Self:
        """The issuer of a private key."""
        digest = sha256(private_key.public_key().public_bytes_raw()).hexdigest()
        return cls(key_id=digest[:16], private_key=private_key)

    def public(self) -> IssuerKey:
        """What a policy says of this issuer."""
        raw = self.private_key.public_key().public_bytes_raw()
        return IssuerKey(key_id=self.key_id, public_key=_to_base64url(raw))


def sign(command: Mapping[str, Any], key_id: str, private_key: Ed25519PrivateKey) -> dict[str, Any]:
    """The command with its signature, in place of any that it had.

    Raises `rfc8785.CanonicalizationError` for what JSON cannot carry exactly.
    """
    unsigned = {name: value for name, value in command.items() if name != _SIGNATURE}
    value = _to_base64url(private_key.sign(rfc8785.dumps(unsigned)))
    return {**unsigned, _SIGNATURE: {"keyId": key_id, "value": value}}


def verify(command: Mapping[str, Any], issuers: Iterable[IssuerKey]) -> bool:
    """Whether one of `issuers` signed the command.

    `command` is the parsed JSON object as it came, unknown members included. Anything amiss with
    it or its signature gives False.
    """
    signature = command.get(_SIGNATURE)
    if not isinstance(signature, Mapping):
        return False
    issuer = next((key for key in issuers if key.key_id == signature.get("keyId")), None)
    raw = _from_base64url(signature.get("value"))
    unsigned = {name: value for name, value in command.items() if name != _SIGNATURE}
    if issuer is None or raw is None or _is_deeper_than(unsigned, MAX_DEPTH):
        return False
    try:
        _public_key(issuer).verify(raw, rfc8785.dumps(unsigned))
    except (InvalidSignature, rfc8785.CanonicalizationError, ValueError):
        return False
    return True


def _public_key(issuer: IssuerKey) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(_from_base64url(issuer.public_key) or b"")


def _is_deeper_than(value: object, depth: int) -> bool:
    level: list[object] = [value]
    for _ in range(depth):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _to_base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _from_base64url(text: object) -> bytes | None:
    """The bytes of base64url without padding in its one spelling, None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if _to_base64url(raw) == text else None
