"""A signing key in memory, and how it is made and written down."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ALGORITHM = "RS256"
KEY_BITS = 2048
_PUBLIC_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the id that tokens name it by."""

    kid: str
    private_key: rsa.RSAPrivateKey

    def private_pem(self) -> bytes:
        """PKCS #8, unencrypted: encrypt before it leaves the process."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def public_pem(self) -> str:
        """SubjectPublicKeyInfo as PEM."""
        pem = self.private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem.decode()


def new_signing_key() -> SigningKey:
    """A fresh RSA key; its id is a digest of the public half."""
    private_key = rsa.generate_private_key(_PUBLIC_EXPONENT, KEY_BITS)
    der = private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return SigningKey(_base64url(hashlib.sha256(der).digest()[:16]), private_key)


def signing_key_from_pem(kid: str, private_pem: bytes) -> SigningKey:
    """The key of that PEM."""
    private_key = serialization.load_pem_private_key(private_pem, password=None)
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise TypeError(f"signing key {kid} is not an RSA key")
    return SigningKey(kid, private_key)


def jwk(kid: str, public_pem: str) -> dict[str, str]:
    """The public key as a JSON Web Key (RFC 7517, RFC 7518 section 6.3)."""
    public_key = serialization.load_pem_public_key(public_pem.encode())
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise TypeError(f"signing key {kid} is not an RSA key")
    numbers = public_key.public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": ALGORITHM,
        "kid": kid,
        "n": _base64url_number(numbers.n),
        "e": _base64url_number(numbers.e),
    }


def _base64url_number(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
