"""Bodies of registration and log-in."""

import uuid
from datetime import datetime

from pydantic import Field

from service.http.bodies import WireModel


class Registration(WireModel):
    """What a new user sends; blanks around username and e-mail are dropped."""

    username: str | None = Field(default=None, description="3 to 50 characters, unique.")
    email: str | None = Field(default=None, description="An e-mail address, unique.")
    password: str | None = Field(default=None, description="8 to 128 characters.")


class Credentials(WireModel):
    """What a known user sends."""

    username: str | None = None
    password: str | None = None


class Session(WireModel):
    """Who is logged in, with a token that says so until `expiresAt`."""

    user_id: uuid.UUID
    username: str
    email: str
    token: str
    expires_at: datetime
    roles: list[str]
