"""What a username, an e-mail address and a password must look like."""

import re

from auth import problems
from service.http.problems import ProblemError

USERNAME_CHARACTERS = range(3, 51)
PASSWORD_CHARACTERS = range(8, 129)
_MAX_EMAIL_CHARACTERS = 254

# One @, something before it, a dot in what follows, no spaces: the post office knows the rest.
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def require_usable(username: str, email: str, password: str) -> None:
    """Raise the `ProblemError` of the first one that is not usable, in this order."""
    if len(username) not in USERNAME_CHARACTERS or not username.isprintable():
        raise ProblemError(
            problems.INVALID_USERNAME, "username must have 3 to 50 printable characters"
        )
    if (
        len(email) > _MAX_EMAIL_CHARACTERS
        or not email.isprintable()
        or _EMAIL.fullmatch(email) is None
    ):
        raise ProblemError(problems.INVALID_EMAIL, "email must be an e-mail address")
    # PostgreSQL and argon2 take any character in a password: it is never stored as text.
    if len(password) not in PASSWORD_CHARACTERS:
        raise ProblemError(problems.INVALID_PASSWORD, "password must have 8 to 128 characters")
