"""HTTP bodies of the token routes: what a caller sends and what it gets.

Most fields of a request may be missing: which of several mistakes is reported first is the route's
promise, so the route checks them in its order. Answers write nulls. Instants are ISO 8601 in UTC
with `Z`. These are msgspec structs and not pydantic models, since every request pays for them.
"""

from typing import Annotated, Any, Literal

import msgspec

from schemas.base import MAX_TOKENS
from schemas.limits import Unit

TokenCount = Annotated[int, msgspec.Meta(ge=-MAX_TOKENS, le=MAX_TOKENS)]
ModelName = Annotated[str, msgspec.Meta(max_length=100)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Labels = Annotated[dict[Label, Label], msgspec.Meta(max_length=8)]


class HttpBody(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """An immutable JSON object: camelCase names, unknown fields ignored, nulls written."""


class _SpendRequest(HttpBody, frozen=True, kw_only=True):
    user_id: str | None = None
    org_id: str | None = None
    provider: str | None = None
    tokens: TokenCount | None = None
    model: ModelName | None = None
    labels: Labels | None = None


class ConsumeRequest(_SpendRequest, frozen=True, kw_only=True):
    """POST /api/v1/tokens/consume.

    `call` false: decide and charge only. `settle`: charge exactly `tokens`, or what the provider
    reports.
    """

    prompt: str | None = None
    call: bool = True
    settle: Literal["exact", "usage"] = "exact"


class ReserveRequest(_SpendRequest, frozen=True, kw_only=True):
    """POST /api/v1/tokens/reservations. `hold_ttl_ms`: 1,000 to 600,000, else the policy's."""

    hold_ttl_ms: Annotated[int, msgspec.Meta(ge=1000, le=600_000)] | None = None


class SettleRequest(HttpBody, frozen=True, kw_only=True):
    """POST /api/v1/tokens/reservations/{id}/settle: what was really used, 0 or more."""

    tokens: TokenCount | None = None


class LimitBody(HttpBody, frozen=True, kw_only=True):
    """Where a limit stands; `reset_ms` None when time alone does not reset it."""

    name: str
    unit: Unit
    limit: int
    used: int
    remaining: int
    reset_ms: int | None


class QuotaBody(HttpBody, frozen=True, kw_only=True):
    """Where a quota stands, in tokens; `reset_time` None before first use."""

    total_tokens: int
    remaining_tokens: int
    allowance_tokens: int
    purchased_tokens: int
    held_tokens: int
    debt_tokens: int
    reset_time: str | None


class ViolationBody(HttpBody, frozen=True, kw_only=True):
    """A limit that refused. `retry_after_ms` None when time cannot cure it."""

    name: str
    unit: Unit
    limit: int
    requested: int
    remaining: int
    retry_after_ms: int | None


class ConsumeAnswer(HttpBody, frozen=True, kw_only=True):
    """The tokens were granted. `capacity`, `used`, `remaining`: of the first bucket."""

    allowed: bool
    capacity: int
    used: int
    remaining: int
    wait_seconds: int
    timestamp: str
    provider_response: dict[str, Any]
    limits: list[LimitBody]
    quota: QuotaBody | None
    command_id: str
    replayed: bool


class QuotaAnswer(HttpBody, frozen=True, kw_only=True):
    """GET /api/v1/tokens/quota."""

    user_id: str
    provider: str
    total_tokens: int
    remaining_tokens: int
    reset_time: str | None
    updated_at: str | None
    tier: str
    allowance_tokens: int
    purchased_tokens: int
    held_tokens: int
    debt_tokens: int
    limits: list[LimitBody]


class ReservationAnswer(HttpBody, frozen=True, kw_only=True):
    """Tokens are held until `expires_at`."""

    reservation_id: str
    expires_at: str | None
    tokens: int
    limits: list[LimitBody]
    quota: QuotaBody | None
    command_id: str
    replayed: bool


class SettlementAnswer(HttpBody, frozen=True, kw_only=True):
    """A reservation was settled. `late`: it had expired before; None where a repeat cannot say.

    `quota` is None where the settle is stored and its decision was not waited for.
    """

    reservation_id: str
    charged_tokens: int
    late: bool | None
    limits: list[LimitBody]
    quota: QuotaBody | None
    command_id: str
    replayed: bool


class ReleaseAnswer(HttpBody, frozen=True, kw_only=True):
    """A reservation was given back."""

    reservation_id: str
    limits: list[LimitBody]
    quota: QuotaBody | None
    command_id: str
    replayed: bool


class StatusAnswer(HttpBody, frozen=True, kw_only=True):
    """GET /api/v1/tokens/status."""

    service: str
    status: str
    version: str
    timestamp: str
