"""The JSON Web Key Set (RFC 7517)."""

from typing import Literal

from service.http.bodies import WireModel


class JsonWebKey(WireModel):
    """An RSA public key that verifies our tokens."""

    kty: Literal["RSA"]
    use: Literal["sig"]
    alg: Literal["RS256"]
    kid: str
    n: str
    e: str


class JsonWebKeySet(WireModel):
    """Every key that may have signed a valid token, newest first."""

    keys: list[JsonWebKey]
