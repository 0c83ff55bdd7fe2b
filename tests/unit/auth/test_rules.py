"""What registration accepts as username, e-mail address and password."""

import pytest

from auth.users.rules import require_usable
from service.http.problems import ProblemError


@pytest.mark.parametrize(
    ("username", "email", "password"),
    [
        ("ada", "a@b.example", "12345678"),
        ("ä" * 50, "first.last+tag@mail.b.example", "p" * 128),
        ("Ada Lovelace", "ada@böse.example", "        x"),
    ],
)
def test_usable_ones_pass(username: str, email: str, password: str) -> None:
    require_usable(username, email, password)


@pytest.mark.parametrize(
    ("username", "email", "password", "code"),
    [
        ("ab", "a@b.example", "12345678", "invalid-username"),
        ("a" * 51, "a@b.example", "12345678", "invalid-username"),
        ("ad\0a", "a@b.example", "12345678", "invalid-username"),
        ("ada", "a@b", "12345678", "invalid-email"),
        ("ada", "a b@c.example", "12345678", "invalid-email"),
        ("ada", "a@b..example", "12345678", "invalid-email"),
        ("ada", "a@b@c.example", "12345678", "invalid-email"),
        ("ada", "a" * 250 + "@b.example", "12345678", "invalid-email"),
        ("ada", "a@b.example", "1234567", "invalid-password"),
        ("ada", "a@b.example", "p" * 129, "invalid-password"),
        ("ab", "nonsense", "short", "invalid-username"),
        ("ada", "nonsense", "short", "invalid-email"),
    ],
)
def test_the_first_unusable_one_is_named(
    username: str, email: str, password: str, code: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        require_usable(username, email, password)

    assert refused.value.kind.code == code
    assert refused.value.kind.status == 400
