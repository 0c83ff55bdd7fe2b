"""The stub of OpenAI's chat completions."""

from typing import Any

from litestar import Request, Response, post
from pydantic import BaseModel

from providers.stubs.behaviour import Behaviour, StubError


class ChatMessage(BaseModel):
    """One turn of the conversation."""

    role: str
    content: str


class ChatRequest(BaseModel):
    """The part of OpenAI's request that the stub understands."""

    model: str
    messages: list[ChatMessage]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


@post("/v1/chat/completions", status_code=200, summary="OpenAI's chat completions")
async def complete_chat(
    data: ChatRequest, request: Request[Any, Any, Any], behaviour: Behaviour
) -> Response[dict[str, Any]]:
    """Answer like OpenAI, with made-up text."""
    prompt = "\n".join(message.content for message in data.messages)
    max_tokens = data.max_completion_tokens or data.max_tokens
    try:
        completion = await behaviour.answer(request.headers, prompt, max_tokens)
    except StubError as error:
        content = {"error": {"message": str(error), "type": "stub_error", "code": error.status}}
        return Response(content, status_code=error.status)
    message = {"role": "assistant", "content": completion.text}
    return Response(
        {
            "id": f"chatcmpl-{completion.request_number}",
            "object": "chat.completion",
            "model": data.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": completion.input_tokens,
                "completion_tokens": completion.output_tokens,
                "total_tokens": completion.total_tokens,
            },
        }
    )
