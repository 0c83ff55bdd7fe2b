"""Command ids: the same request under the same key is the same command."""

import hashlib
import secrets

import msgspec

from gateway.authentication import Principal
from gateway.problems import INVALID_IDEMPOTENCY_KEY
from schemas.http_tokens import HttpBody
from service.http.problems import ProblemError

MAX_KEY_CHARACTERS = 100

_ENCODE_CANONICALLY = msgspec.json.Encoder(order="deterministic").encode


def command_id_for(principal: Principal, route: str, idempotency_key: str | None) -> str:
    """A function of caller, route and key; random when the caller gave no key.

    Raises `ProblemError` (400) for a key that is empty, over 100 characters or not printable ASCII.
    """
    if idempotency_key is None:
        return f"req-{secrets.token_hex(16)}"
    if (
        not 0 < len(idempotency_key) <= MAX_KEY_CHARACTERS
        or not idempotency_key.isascii()
        or not idempotency_key.isprintable()
    ):
        raise ProblemError(INVALID_IDEMPOTENCY_KEY)
    # The lengths keep (a, bc) and (ab, c) apart.
    parts = f"{len(principal.user_id)}:{principal.user_id}{len(route)}:{route}{idempotency_key}"
    return f"idem-{hashlib.sha256(parts.encode()).hexdigest()}"


def request_digest(request: HttpBody) -> str:
    """SHA-256 (hex) of the request's fields in canonical JSON, the prompt included.

    Unknown fields and the spelling of the JSON do not count.
    """
    return hashlib.sha256(_ENCODE_CANONICALLY(request)).hexdigest()
