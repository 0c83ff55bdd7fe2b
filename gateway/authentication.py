"""Who the caller is: bearer tokens, verified by the auth server's published keys."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway.jwks import KeySet, KeysUnavailableError
from gateway.problems import KEYS_UNAVAILABLE
from service.http.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError

ALGORITHM = "RS256"
USER = "USER"
ADMIN = "ADMIN"
_LEEWAY_S = 5
_MAX_TOKEN_CHARACTERS = 8192
_CHALLENGE = 'Bearer realm="leaky-tokens"'


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a user and its roles."""

    user_id: str
    roles: frozenset[str]

    def may_act_for(self, user_id: str) -> bool:
        """Whether it may spend and read as that user: itself, or anyone for an ADMIN."""
        return user_id == self.user_id or ADMIN in self.roles


class TokenVerifier:
    """Verifies bearer tokens: signature (RS256 and nothing else), exp, iss, aud.

    Verified tokens are remembered until they expire, at most `cache_size` of them, so that a
    request pays for a hash and not for a signature.
    """

    def __init__(self, keys: KeySet, issuer: str, audience: str, cache_size: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._cache_size = cache_size
        self._verified: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def principal(self, authorization: str | None) -> Principal:
        """The caller behind an `Authorization` header. Raises `ProblemError` (401, 503)."""
        token = _bearer_token(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._verified.get(digest)
        if remembered is not None:
            if remembered[1] > time.time():
                self._verified.move_to_end(digest)
                return remembered[0]
            del self._verified[digest]
        principal, expires_at = await self._verify(token)
        if self._cache_size:
            self._verified[digest] = (principal, expires_at)
            if len(self._verified) > self._cache_size:
                self._verified.popitem(last=False)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM or not isinstance(header.get("kid"), str):
                raise _unauthenticated("the token is not one of the auth server's")
            key = await self._keys.key(header["kid"])
            if key is None:
                raise _unauthenticated("the token is signed by an unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except KeysUnavailableError:
            raise ProblemError(KEYS_UNAVAILABLE, headers={"Retry-After": "1"}) from None
        except jwt.ExpiredSignatureError:
            raise _unauthenticated("the token has expired") from None
        except jwt.PyJWTError:
            raise _unauthenticated("the token is not valid") from None
        roles = claims.get("roles")
        if not isinstance(roles, list):
            roles = []
        principal = Principal(
            str(claims["sub"]).lower(), frozenset(role for role in roles if isinstance(role, str))
        )
        return principal, float(claims["exp"]) + _LEEWAY_S


def require_user(verifier: TokenVerifier) -> Callable[[ASGIApp], ASGIApp]:
    """A middleware for routes that need a caller with role USER (or ADMIN): `request.user`.

    It runs before the body is read, so that strangers cost no parsing. Not a guard: Litestar
    copies the route's handler for every guarded request, which takes longer than the rest of it.
    """

    def wrap(app: ASGIApp) -> ASGIApp:
        async def authenticate(scope: Scope, receive: Receive, send: Send) -> None:
            authorization = None
            for name, value in scope["headers"]:
                if name == b"authorization":
                    authorization = value.decode("latin-1")
            principal = await verifier.principal(authorization)
            if not principal.roles & {USER, ADMIN}:
                raise ProblemError(FORBIDDEN, "the role USER is needed")
            scope["user"] = principal
            await app(scope, receive, send)

        return authenticate

    return wrap


def _bearer_token(authorization: str | None) -> str:
    if not authorization:
        raise _unauthenticated("a bearer token is required", error=None)
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise _unauthenticated("the Authorization header is not a bearer token")
    return token


def _unauthenticated(sentence: str, error: str | None = "invalid_token") -> ProblemError:
    challenge = _CHALLENGE if error is None else f'{_CHALLENGE}, error="{error}"'
    return ProblemError(UNAUTHENTICATED, sentence, headers={"WWW-Authenticate": challenge})
