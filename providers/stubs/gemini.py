"""The stub of Gemini's generateContent."""

from typing import Any

from litestar import Request, Response, post
from pydantic import Field

from providers.stubs.behaviour import Behaviour, StubError
from service.http.bodies import WireModel
from service.http.problems import NOT_FOUND, ProblemError

_METHOD = ":generateContent"


class Part(WireModel):
    """A piece of text."""

    text: str = ""


class Content(WireModel):
    """One turn of the conversation."""

    parts: list[Part]


class GenerationConfig(WireModel):
    """The part of the configuration that the stub understands."""

    max_output_tokens: int | None = None


class GenerateRequest(WireModel):
    """The part of Gemini's request that the stub understands."""

    contents: list[Content]
    generation_config: GenerationConfig = Field(default_factory=GenerationConfig)


@post("/v1beta/models/{call:str}", status_code=200, summary="Gemini's MODEL:generateContent")
async def generate_content(
    call: str, data: GenerateRequest, request: Request[Any, Any, Any], behaviour: Behaviour
) -> Response[dict[str, Any]]:
    """Answer like Gemini, with made-up text."""
    model = call.removesuffix(_METHOD)
    if model == call:
        raise ProblemError(NOT_FOUND, f"the path must end in {_METHOD}")
    prompt = "\n".join(part.text for content in data.contents for part in content.parts)
    max_tokens = data.generation_config.max_output_tokens
    try:
        completion = await behaviour.answer(request.headers, prompt, max_tokens)
    except StubError as error:
        content = {"error": {"code": error.status, "message": str(error), "status": "STUB"}}
        return Response(content, status_code=error.status)
    candidate = {
        "content": {"role": "model", "parts": [{"text": completion.text}]},
        "finishReason": "STOP",
        "index": 0,
    }
    return Response(
        {
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": completion.input_tokens,
                "candidatesTokenCount": completion.output_tokens,
                "totalTokenCount": completion.total_tokens,
            },
            "modelVersion": model,
            "responseId": str(completion.request_number),
        }
    )
