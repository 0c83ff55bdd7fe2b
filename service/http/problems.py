"""Failures that clients see: RFC 9457 problem documents with a stable code.

A service declares its failures as `ProblemType` constants and lists them in one tuple, from which
the reference is generated; code raises `ProblemError(TYPE, detail)`. The documents also carry the
older clients' `message` and `timestamp`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from service.http.bodies import instant_text

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of failure: a stable code, its HTTP status, a title, and what a caller can do."""

    code: str
    status: int
    title: str
    remedy: str

    @property
    def uri(self) -> str:
        """The `type` member: a name, not an address."""
        return f"urn:leaky-tokens:problem:{self.code}"


class ProblemError(Exception):
    """A failure to be answered with a problem document.

    `detail` is the sentence for the caller (the title if left out), `headers` go onto the
    response, `members` are added to the document.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind = kind
        self.detail = detail or kind.title
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def body(self, instance: str) -> bytes:
        """The JSON document; `instance` is the path of the request that failed."""
        document = {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.kind.code,
            "instance": instance,
            "message": self.detail,
            "timestamp": instant_text(datetime.now(UTC)),
            **self.members,
        }
        return json.dumps(document, separators=(",", ":")).encode()


MALFORMED_JSON = ProblemType(
    "malformed-json", 400, "The body is not JSON", "Send a JSON object in UTF-8."
)
INVALID_REQUEST = ProblemType(
    "invalid-request", 400, "The request is not valid", "Correct the field that `detail` names."
)
UNAUTHENTICATED = ProblemType(
    "unauthenticated", 401, "No valid credential", "Send a valid bearer token or API key."
)
FORBIDDEN = ProblemType("forbidden", 403, "Not allowed", "Use a credential that has the right.")
NOT_FOUND = ProblemType("not-found", 404, "Not found", "Check the path.")
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "Method not allowed", "Use a method of the `Allow` header."
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large", 413, "The body is over 1 MiB", "Send less than 1 MiB in one request."
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type", 415, "Unsupported media type", "Send `application/json`."
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    500,
    "Internal error",
    "Try again later; if it stays, report the correlation id of the response.",
)
UNAVAILABLE = ProblemType(
    "unavailable", 503, "Not available at the moment", "Try again after a short while."
)

SHARED_PROBLEMS: tuple[ProblemType, ...] = (
    MALFORMED_JSON,
    INVALID_REQUEST,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INTERNAL_ERROR,
    UNAVAILABLE,
)
"""What every service may answer; a service's own catalogue comes on top."""


def problems_reference(kinds: Iterable[ProblemType]) -> str:
    """A Markdown table of the kinds: code, status, title, remedy."""
    rows = ["| Code | Status | Title | What to do |", "|---|---|---|---|"]
    rows += [f"| `{kind.code}` | {kind.status} | {kind.title} | {kind.remedy} |" for kind in kinds]
    return "\n".join([*rows, ""])
