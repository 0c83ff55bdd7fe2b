"""The stub of Qwen's DashScope text generation."""

from typing import Any

from litestar import Request, Response, post
from pydantic import BaseModel, Field

from providers.stubs.behaviour import Behaviour, StubError


class Message(BaseModel):
    """One turn of the conversation."""

    role: str
    content: str


class Input(BaseModel):
    """The conversation."""

    messages: list[Message]


class Parameters(BaseModel):
    """The parameters that the stub understands."""

    max_tokens: int | None = None


class GenerationRequest(BaseModel):
    """The part of DashScope's request that the stub understands."""

    model: str
    input: Input
    parameters: Parameters = Field(default_factory=Parameters)


@post(
    "/api/v1/services/aigc/text-generation/generation",
    status_code=200,
    summary="DashScope's text generation",
)
async def generate_text(
    data: GenerationRequest, request: Request[Any, Any, Any], behaviour: Behaviour
) -> Response[dict[str, Any]]:
    """Answer like DashScope, with made-up text."""
    prompt = "\n".join(message.content for message in data.input.messages)
    try:
        completion = await behaviour.answer(request.headers, prompt, data.parameters.max_tokens)
    except StubError as error:
        content = {"code": "StubError", "message": str(error), "request_id": ""}
        return Response(content, status_code=error.status)
    message = {"role": "assistant", "content": completion.text}
    return Response(
        {
            "output": {"choices": [{"finish_reason": "stop", "message": message}]},
            "usage": {
                "input_tokens": completion.input_tokens,
                "output_tokens": completion.output_tokens,
                "total_tokens": completion.total_tokens,
            },
            "request_id": str(completion.request_number),
        }
    )
