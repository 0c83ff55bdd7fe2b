"""Qwen: DashScope text generation."""

from typing import Any

from pydantic import BaseModel, Field

from providers.adapters.exchange import Exchange
from providers.completion import CompletionRequest, CompletionResult

NAME = "qwen"
DEFAULT_MODEL = "qwen-plus"
PATH = "/api/v1/services/aigc/text-generation/generation"


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Output(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


class _Usage(BaseModel):
    total_tokens: int = Field(ge=0)


class _Answer(BaseModel):
    output: _Output
    usage: _Usage


class QwenAdapter:
    """POST to DashScope's text generation with a bearer key."""

    name = NAME

    def __init__(self, base_url: str, api_key: str | None) -> None:
        credential = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._exchange = Exchange(NAME, base_url, credential)

    async def complete(self, request: CompletionRequest) -> CompletionResult:
        """Ask once. Raises `ProviderFailedError`."""
        model = request.model or DEFAULT_MODEL
        parameters: dict[str, Any] = {"result_format": "message"}
        if request.max_tokens is not None:
            parameters["max_tokens"] = request.max_tokens
        body = {
            "model": model,
            "input": {"messages": [{"role": "user", "content": request.prompt or ""}]},
            "parameters": parameters,
        }
        raw = await self._exchange.post(PATH, body, request)
        answer = self._exchange.parse(_Answer, raw)
        return CompletionResult(
            provider=NAME,
            model=model,
            text=answer.output.choices[0].message.content,
            usage_tokens=answer.usage.total_tokens,
            raw=raw,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()
