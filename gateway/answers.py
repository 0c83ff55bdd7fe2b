"""What a route answers: a status, JSON bytes, headers."""

from dataclasses import dataclass

import msgspec
from litestar.types import Receive, Scope, Send

from schemas.http_tokens import HttpBody

Headers = list[tuple[str, str]]

_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer; a failure is a `ProblemError` instead.

    It is the ASGI response itself: the framework's own builds a mutable mapping of its headers
    for everybody who might want to change them, and here nobody does.
    """

    body: HttpBody
    status: int = 200
    headers: Headers | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        content = _ENCODE(self.body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        if self.headers is not None:
            headers += [(name.encode(), value.encode()) for name, value in self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})
