"""What a token says about its bearer, and how it is signed."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from auth.signing.keys import SigningKey

ISSUER = "leaky-tokens-auth"
AUDIENCE = "leaky-tokens"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed JWT and the instant from which it is no longer valid."""

    token: str
    expires_at: datetime


def issue_token(
    key: SigningKey,
    *,
    user_id: uuid.UUID,
    username: str,
    roles: Iterable[str],
    now: datetime,
    lifetime: timedelta,
) -> IssuedToken:
    """An RS256 token for that user, valid from `now` for `lifetime`; times are whole seconds."""
    issued_at = int(now.timestamp())
    expires_at = issued_at + int(lifetime.total_seconds())
    claims = {
        "sub": str(user_id),
        "iss": ISSUER,
        "aud": AUDIENCE,
        "roles": sorted(roles),
        "username": username,
        "orgs": [],
        "iat": issued_at,
        "exp": expires_at,
        "jti": str(uuid.uuid4()),
    }
    token = jwt.encode(claims, key.private_key, algorithm="RS256", headers={"kid": key.kid})
    return IssuedToken(token, datetime.fromtimestamp(expires_at, UTC))
