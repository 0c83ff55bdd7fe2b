"""Every failure the auth server answers with, beyond those all services share."""

from service.http.problems import ProblemType

REGISTRATION_INCOMPLETE = ProblemType(
    "registration-incomplete",
    400,
    "Registration is incomplete",
    "Send `username`, `email` and `password`, none of them blank.",
)
INVALID_USERNAME = ProblemType(
    "invalid-username",
    400,
    "The username is not usable",
    "Choose 3 to 50 printable characters.",
)
INVALID_EMAIL = ProblemType(
    "invalid-email", 400, "The e-mail address is not usable", "Send an address like `a@b.example`."
)
INVALID_PASSWORD = ProblemType(
    "invalid-password", 400, "The password is not usable", "Choose 8 to 128 characters."
)
USERNAME_TAKEN = ProblemType(
    "username-taken", 400, "The username is taken", "Choose another username, or log in."
)
EMAIL_TAKEN = ProblemType(
    "email-taken", 400, "The e-mail address is taken", "Log in, or use another address."
)
LOGIN_INCOMPLETE = ProblemType(
    "login-incomplete", 400, "Log-in is incomplete", "Send `username` and `password`."
)
INVALID_CREDENTIALS = ProblemType(
    "invalid-credentials", 401, "Wrong username or password", "Check both and try again."
)

AUTH_PROBLEMS: tuple[ProblemType, ...] = (
    REGISTRATION_INCOMPLETE,
    INVALID_USERNAME,
    INVALID_EMAIL,
    INVALID_PASSWORD,
    USERNAME_TAKEN,
    EMAIL_TAKEN,
    LOGIN_INCOMPLETE,
    INVALID_CREDENTIALS,
)
"""In the order in which registration and log-in check them."""
