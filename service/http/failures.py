"""Turns every exception that leaves a route, or keeps one from being reached, into a problem."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.types import ExceptionHandlersMap

from service.http import problems
from service.http.problems import PROBLEM_MEDIA_TYPE, ProblemError, ProblemType
from service.logging import get_logger

logger = get_logger(__name__)

_BY_STATUS: Mapping[int, ProblemType] = {
    kind.status: kind for kind in problems.SHARED_PROBLEMS if kind is not problems.MALFORMED_JSON
}


def problem_response(request: Request[Any, Any, Any], problem: ProblemError) -> Response[bytes]:
    """The response a `ProblemError` stands for."""
    return Response(
        problem.body(request.scope["path"]),
        status_code=problem.kind.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=problem.headers,
    )


def _on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return problem_response(request, _as_problem(error))


def _on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    logger.error("request failed", path=request.scope["path"], exc_info=error)
    return problem_response(request, ProblemError(problems.INTERNAL_ERROR))


def _as_problem(error: HTTPException) -> ProblemError:
    if isinstance(error, ValidationException):
        return ProblemError(problems.INVALID_REQUEST, _validation_detail(error))
    if isinstance(error.__cause__, SerializationException):
        return ProblemError(problems.MALFORMED_JSON)
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        kind = problems.INVALID_REQUEST if error.status_code < 500 else problems.INTERNAL_ERROR
    # Details of the framework name its own parts; the title says what a caller needs.
    return ProblemError(kind, headers=error.headers)


def _validation_detail(error: ValidationException) -> str:
    items = error.extra if isinstance(error.extra, list) else []
    sentences = [_sentence(item) for item in items if isinstance(item, dict)]
    return "; ".join(sentences) or problems.INVALID_REQUEST.title


def _sentence(item: Mapping[str, object]) -> str:
    key, message = item.get("key"), str(item.get("message", ""))
    if key == "data":
        return "a JSON body is required"
    if key is None and message.startswith("Input should be a valid dictionary"):
        return "the body must be a JSON object"
    return f"{key}: {message}" if key else message


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    ProblemError: problem_response,
    HTTPException: _on_http_exception,
    Exception: _on_unexpected,
}
