"""POST /api/v1/auth/register and /api/v1/auth/login."""

from litestar import post

from auth.users.schemas import Credentials, Registration, Session
from auth.users.service import Users


@post("/api/v1/auth/register", summary="Register a user", tags=["users"])
async def register(data: Registration, users: Users) -> Session:
    """Make a user with role USER and log it in. Usernames and addresses are unique in any case."""
    return await users.register(data)


@post("/api/v1/auth/login", status_code=200, summary="Log in", tags=["users"])
async def log_in(data: Credentials, users: Users) -> Session:
    """A fresh token. An unknown user and a wrong password look the same and take as long."""
    return await users.log_in(data)
