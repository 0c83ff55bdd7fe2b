"""What every request to spend must have, checked in the order that is promised to callers."""

import re
from dataclasses import dataclass

from gateway.authentication import Principal
from gateway.problems import (
    INVALID_ORG_ID,
    INVALID_USER_ID,
    PROVIDER_REQUIRED,
    TOKENS_NOT_POSITIVE,
    UNKNOWN_PROVIDER,
    USER_ID_REQUIRED,
)
from schemas.base import UUID_PATTERN
from service.http.problems import FORBIDDEN, ProblemError

_UUID = re.compile(UUID_PATTERN)
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for what: the account, the provider in lower case, and who asked.

    `actor` is None where the account's own user asks.
    """

    user_id: str
    account: str
    provider: str
    actor: str | None


def payer_for(
    principal: Principal,
    user_id: str | None,
    provider: str | None,
    *,
    org_id: str | None = None,
    tokens: int | None = 1,
) -> Payer:
    """Who pays. Raises `ProblemError` for the first mistake.

    In this order: userId missing, provider missing, tokens not positive, userId invalid, orgId
    invalid (400), another's account or any org's (403), unknown provider (400).
    """
    user_id = _text(user_id)
    provider = _text(provider)
    org_id = _text(org_id)
    if user_id is None:
        raise ProblemError(USER_ID_REQUIRED)
    if provider is None:
        raise ProblemError(PROVIDER_REQUIRED)
    positive(tokens)
    if not _UUID.fullmatch(user_id := user_id.lower()):
        raise ProblemError(INVALID_USER_ID)
    if org_id is not None and not _UUID.fullmatch(org_id.lower()):
        raise ProblemError(INVALID_ORG_ID)
    if org_id is not None:
        raise ProblemError(FORBIDDEN, "no organization has an account here")
    if not principal.may_act_for(user_id):
        raise ProblemError(FORBIDDEN, "a user may act only for itself")
    if not _PROVIDER.fullmatch(provider := provider.lower()):
        raise ProblemError(UNKNOWN_PROVIDER)
    actor = None if user_id == principal.user_id else f"user:{principal.user_id}"
    return Payer(user_id, f"user:{user_id}", provider, actor)


def positive(tokens: int | None) -> int:
    """The amount, if it is above 0; else raises `ProblemError` (400)."""
    if tokens is None or tokens <= 0:
        raise ProblemError(TOKENS_NOT_POSITIVE)
    return tokens


def _text(value: str | None) -> str | None:
    """The value without blanks around it; None if nothing is left."""
    return (value.strip() or None) if value is not None else None
