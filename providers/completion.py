"""A completion: what is asked, what comes back, and how it can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One call of a provider.

    `model` None means the provider's default of ours; `idempotency_key` and `traceparent` travel
    as headers; `stub_headers` (`X-Stub-…`) steer a stub and mean nothing to a real provider.
    """

    prompt: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None
    stub_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """What a provider answered; `usage_tokens` is its own count of input and output together."""

    provider: str
    model: str
    text: str
    usage_tokens: int
    raw: dict[str, Any]


class FailureReason(StrEnum):
    """Why a call gave no completion."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    STATUS = "status"
    MALFORMED = "malformed"
    CIRCUIT_OPEN = "circuit-open"
    BULKHEAD_FULL = "bulkhead-full"


class ProviderFailedError(Exception):
    """A call that gave no completion.

    `retryable` means that the same call may be sent again: the provider was not reached, or said
    itself that it could not (429, 5xx), or we did not ask it. A call that timed out may have been
    carried out, and is not. `status` is the provider's HTTP status, when it gave one. The detail
    never quotes the provider's answer, which may quote the prompt.
    """

    def __init__(
        self,
        provider: str,
        reason: FailureReason,
        *,
        retryable: bool,
        detail: str,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{provider}: {reason}: {detail}")
        self.provider = provider
        self.reason = reason
        self.retryable = retryable
        self.detail = detail
        self.status = status


class ProviderAdapter(Protocol):
    """Speaks one provider's interface."""

    @property
    def name(self) -> str:
        """Lower-case name of the provider."""
        ...

    async def complete(self, request: CompletionRequest) -> CompletionResult:
        """Ask once. Raises `ProviderFailedError`."""
        ...
