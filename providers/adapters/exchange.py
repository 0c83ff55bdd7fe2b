"""One POST to a provider: headers, and every way it can fail as a `ProviderFailedError`."""

from collections.abc import Mapping
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from providers.completion import CompletionRequest, FailureReason, ProviderFailedError

STUB_HEADER_PREFIX = "x-stub-"
_TOO_MANY_REQUESTS = 429

Answer = TypeVar("Answer", bound=BaseModel)


class Exchange:
    """Posts JSON to one provider over kept connections."""

    def __init__(self, provider: str, base_url: str, credential: Mapping[str, str]) -> None:
        self.provider = provider
        # Time is limited around the call as a whole, so the client has no time-out of its own.
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers=dict(credential),
            timeout=None,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=False,
        )

    async def post(
        self, path: str, body: Mapping[str, Any], request: CompletionRequest
    ) -> dict[str, Any]:
        """The JSON object the provider answered with 2xx. Raises `ProviderFailedError`."""
        try:
            answer = await self._client.post(path, json=body, headers=_headers(request))
        except httpx2.TimeoutException as error:
            raise self._failed(FailureReason.TIMEOUT, type(error).__name__) from error
        except httpx2.HTTPError as error:
            raise self._failed(
                FailureReason.REFUSED, type(error).__name__, retryable=True
            ) from error
        if not answer.is_success:
            status = answer.status_code
            raise self._failed(
                FailureReason.STATUS,
                f"answered with status {status}",
                retryable=status == _TOO_MANY_REQUESTS or status >= 500,
                status=status,
            )
        try:
            document = answer.json()
        except ValueError as error:
            raise self.malformed("the answer is not JSON") from error
        if not isinstance(document, dict):
            raise self.malformed("the answer is not a JSON object")
        return document

    def parse(self, model: type[Answer], document: dict[str, Any]) -> Answer:
        """The document as that model. Raises `ProviderFailedError` when it is something else."""
        try:
            return model.model_validate(document)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
            raise self.malformed(f"the answer is not as documented: {fields}") from None

    def malformed(self, detail: str) -> ProviderFailedError:
        """The failure of an answer that cannot be understood."""
        return self._failed(FailureReason.MALFORMED, detail)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _failed(
        self,
        reason: FailureReason,
        detail: str,
        *,
        retryable: bool = False,
        status: int | None = None,
    ) -> ProviderFailedError:
        return ProviderFailedError(
            self.provider, reason, retryable=retryable, detail=detail, status=status
        )


def _headers(request: CompletionRequest) -> dict[str, str]:
    headers = {
        name: value
        for name, value in request.stub_headers.items()
        if name.lower().startswith(STUB_HEADER_PREFIX)
    }
    if request.idempotency_key is not None:
        headers["Idempotency-Key"] = request.idempotency_key
    if request.traceparent is not None:
        headers["traceparent"] = request.traceparent
    return headers
