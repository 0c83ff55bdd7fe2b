"""Users and their roles in PostgreSQL."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.errors import UniqueViolation

from auth.database import Connection

_USER = (
    "SELECT u.id, u.username, u.email, u.password_hash,"
    " array(SELECT role FROM user_roles r WHERE r.user_id = u.id ORDER BY role)"
    " FROM users u WHERE "
)


class UsernameTakenError(Exception):
    """Another user has that name."""


class EmailTakenError(Exception):
    """Another user has that address."""


@dataclass(frozen=True, slots=True)
class User:
    """A stored user; `roles` are sorted."""

    id: uuid.UUID
    username: str
    email: str
    password_hash: str
    roles: tuple[str, ...]


def comparison_key(text: str) -> str:
    """The form in which usernames and e-mail addresses are compared: without regard to case."""
    return text.casefold()


async def user_by_username(connection: Connection, username: str) -> User | None:
    """The user of that name, in any case."""
    cursor = await connection.execute(_USER + "u.username_key = %s", (comparison_key(username),))
    row = await cursor.fetchone()
    return User(row[0], row[1], row[2], row[3], tuple(row[4])) if row else None


async def email_exists(connection: Connection, email: str) -> bool:
    """Whether a user has that address, in any case."""
    cursor = await connection.execute(
        "SELECT 1 FROM users WHERE email_key = %s", (comparison_key(email),)
    )
    return await cursor.fetchone() is not None


async def insert_user(
    connection: Connection, username: str, email: str, password_hash: str, roles: Sequence[str]
) -> User:
    """A new user with those roles.

    Raises `UsernameTakenError` or `EmailTakenError` when somebody was faster; the transaction is
    of no use then.
    """
    user = User(uuid.uuid4(), username, email, password_hash, tuple(sorted(roles)))
    try:
        await connection.execute(
            "INSERT INTO users (id, username, username_key, email, email_key, password_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (
                user.id,
                username,
                comparison_key(username),
                email,
                comparison_key(email),
                password_hash,
            ),
        )
    except UniqueViolation as error:
        if error.diag.constraint_name == "users_username_key_unique":
            raise UsernameTakenError from error
        raise EmailTakenError from error
    for role in user.roles:
        await grant_role(connection, user.id, role)
    return user


async def grant_role(connection: Connection, user_id: uuid.UUID, role: str) -> None:
    """Give a role; nothing happens if the user has it."""
    await connection.execute(
        "INSERT INTO user_roles (user_id, role) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (user_id, role),
    )
