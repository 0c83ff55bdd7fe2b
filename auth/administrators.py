"""Makes the first administrator, from the command line."""

from auth.database import Database
from auth.passwords import Passwords
from auth.settings import AuthSettings
from auth.users import repository
from auth.users.repository import User
from auth.users.schemas import Registration
from auth.users.service import ROLE_ADMIN, ROLE_USER, register_user


class NoSuchUserError(Exception):
    """There is nobody of that name to promote."""


async def create_administrator(settings: AuthSettings, registration: Registration) -> User:
    """A new user with roles ADMIN and USER. Raises `ProblemError` like a registration."""
    database = _database(settings)
    passwords = Passwords(threads=1, queue=1)
    try:
        async with database.opened():
            return await register_user(
                database, passwords, registration, roles=(ROLE_ADMIN, ROLE_USER)
            )
    finally:
        passwords.close()


async def promote(settings: AuthSettings, username: str) -> User:
    """Give ADMIN to a user who is there. Raises `NoSuchUserError`."""
    database = _database(settings)
    async with database.opened(), database.transaction() as connection:
        user = await repository.user_by_username(connection, username.strip())
        if user is None:
            raise NoSuchUserError(username)
        await repository.grant_role(connection, user.id, ROLE_ADMIN)
        return user


def _database(settings: AuthSettings) -> Database:
    return Database(settings.postgres_dsn.get_secret_value(), size=1)
