"""Gemini: generateContent."""

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel

from providers.adapters.exchange import Exchange
from providers.completion import CompletionRequest, CompletionResult

NAME = "gemini"
DEFAULT_MODEL = "gemini-2.0-flash"


class _Camel(BaseModel):
    model_config = {"alias_generator": to_camel, "populate_by_name": True}


class _Part(_Camel):
    text: str = ""


class _Content(_Camel):
    parts: list[_Part] = []


class _Candidate(_Camel):
    content: _Content = _Content()


class _Usage(_Camel):
    total_token_count: int = Field(ge=0)


class _Answer(_Camel):
    candidates: list[_Candidate] = Field(min_length=1)
    usage_metadata: _Usage
    model_version: str | None = None


class GeminiAdapter:
    """POST /v1beta/models/MODEL:generateContent with a key header."""

    name = NAME

    def __init__(self, base_url: str, api_key: str | None) -> None:
        credential = {} if api_key is None else {"x-goog-api-key": api_key}
        self._exchange = Exchange(NAME, base_url, credential)

    async def complete(self, request: CompletionRequest) -> CompletionResult:
        """Ask once. Raises `ProviderFailedError`."""
        model = request.model or DEFAULT_MODEL
        body: dict[str, Any] = {
            "contents": [{"role": "user", "parts": [{"text": request.prompt or ""}]}]
        }
        if request.max_tokens is not None:
            body["generationConfig"] = {"maxOutputTokens": request.max_tokens}
        path = f"/v1beta/models/{quote(model, safe='')}:generateContent"
        raw = await self._exchange.post(path, body, request)
        answer = self._exchange.parse(_Answer, raw)
        return CompletionResult(
            provider=NAME,
            model=answer.model_version or model,
            text="".join(part.text for part in answer.candidates[0].content.parts),
            usage_tokens=answer.usage_metadata.total_token_count,
            raw=raw,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()
