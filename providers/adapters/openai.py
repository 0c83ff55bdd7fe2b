"""OpenAI: chat completions."""

from typing import Any

from pydantic import BaseModel, Field

from providers.adapters.exchange import Exchange
from providers.completion import CompletionRequest, CompletionResult

NAME = "openai"
DEFAULT_MODEL = "gpt-4o-mini"
PATH = "/v1/chat/completions"


class _Message(BaseModel):
    content: str | None


class _Choice(BaseModel):
    message: _Message


class _Usage(BaseModel):
    total_tokens: int = Field(ge=0)


class _Answer(BaseModel):
    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage


class OpenAIAdapter:
    """POST /v1/chat/completions with a bearer key."""

    name = NAME

    def __init__(self, base_url: str, api_key: str | None) -> None:
        credential = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._exchange = Exchange(NAME, base_url, credential)

    async def complete(self, request: CompletionRequest) -> CompletionResult:
        """Ask once. Raises `ProviderFailedError`."""
        body: dict[str, Any] = {
            "model": request.model or DEFAULT_MODEL,
            "messages": [{"role": "user", "content": request.prompt or ""}],
        }
        if request.max_tokens is not None:
            body["max_completion_tokens"] = request.max_tokens
        raw = await self._exchange.post(PATH, body, request)
        answer = self._exchange.parse(_Answer, raw)
        return CompletionResult(
            provider=NAME,
            model=answer.model,
            text=answer.choices[0].message.content or "",
            usage_tokens=answer.usage.total_tokens,
            raw=raw,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()
