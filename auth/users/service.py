"""Registration and log-in."""

from datetime import UTC, datetime, timedelta

from auth import problems
from auth.database import Database
from auth.passwords import Passwords
from auth.signing.service import KeyRing
from auth.tokens import issue_token
from auth.users import repository
from auth.users.repository import EmailTakenError, User, UsernameTakenError
from auth.users.rules import PASSWORD_CHARACTERS, require_usable
from auth.users.schemas import Credentials, Registration, Session
from service.http.problems import ProblemError
from service.logging import get_logger
from service.metric_names import AUTH_LOGIN, AUTH_REGISTER
from service.metrics import Metrics

logger = get_logger(__name__)

ROLE_USER = "USER"
ROLE_ADMIN = "ADMIN"


class Users:
    """What can be done with users over HTTP."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        key_ring: KeyRing,
        metrics: Metrics,
        token_lifetime: timedelta,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._key_ring = key_ring
        self._token_lifetime = token_lifetime
        self._registrations = metrics.counter(AUTH_REGISTER)
        self._logins = metrics.counter(AUTH_LOGIN)

    async def register(self, registration: Registration) -> Session:
        """A new user with role USER, logged in. Raises the `ProblemError` of the first fault."""
        try:
            user = await register_user(
                self._database, self._passwords, registration, roles=(ROLE_USER,)
            )
        except ProblemError as problem:
            self._registrations.labels(outcome="failure", reason=problem.kind.code).inc()
            raise
        self._registrations.labels(outcome="success", reason="none").inc()
        logger.info("registered a user", user_id=str(user.id))
        return self._session(user)

    async def log_in(self, credentials: Credentials) -> Session:
        """A session of the user whose password it is. Raises `ProblemError` (400, 401)."""
        try:
            user = await self._authenticated(credentials)
        except ProblemError as problem:
            self._logins.labels(outcome="failure", reason=problem.kind.code).inc()
            raise
        self._logins.labels(outcome="success", reason="none").inc()
        return self._session(user)

    async def _authenticated(self, credentials: Credentials) -> User:
        username = (credentials.username or "").strip()
        password = credentials.password or ""
        if not username or not password.strip():
            raise ProblemError(problems.LOGIN_INCOMPLETE, "username and password are required")
        user = None
        # PostgreSQL refuses a NUL in a text, and no username has one.
        if "\0" not in username:
            async with self._database.transaction() as connection:
                user = await repository.user_by_username(connection, username)
        # No password is longer, and hashing megabytes is a gift to a flooder.
        tried = password[: PASSWORD_CHARACTERS.stop]
        right = await self._passwords.verify(user.password_hash if user else None, tried)
        if user is None or not right:
            raise ProblemError(
                problems.INVALID_CREDENTIALS,
                "invalid credentials",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return user

    def _session(self, user: User) -> Session:
        issued = issue_token(
            self._key_ring.active,
            user_id=user.id,
            username=user.username,
            roles=user.roles,
            now=datetime.now(UTC),
            lifetime=self._token_lifetime,
        )
        return Session(
            user_id=user.id,
            username=user.username,
            email=user.email,
            token=issued.token,
            expires_at=issued.expires_at,
            roles=list(user.roles),
        )


async def register_user(
    database: Database, passwords: Passwords, registration: Registration, roles: tuple[str, ...]
) -> User:
    """Check, hash and store; no token. Raises `ProblemError` (400) for the first fault."""
    username = (registration.username or "").strip()
    email = (registration.email or "").strip()
    password = registration.password or ""
    if not username or not email or not password.strip():
        raise ProblemError(
            problems.REGISTRATION_INCOMPLETE, "username, email, and password are required"
        )
    require_usable(username, email, password)
    async with database.transaction() as connection:
        if await repository.user_by_username(connection, username) is not None:
            raise _username_taken()
        if await repository.email_exists(connection, email):
            raise _email_taken()
    # Hashing takes long: no connection is held meanwhile, and the constraints decide a race.
    password_hash = await passwords.hash(password)
    try:
        async with database.transaction() as connection:
            return await repository.insert_user(connection, username, email, password_hash, roles)
    except UsernameTakenError:
        raise _username_taken() from None
    except EmailTakenError:
        raise _email_taken() from None


def _username_taken() -> ProblemError:
    return ProblemError(problems.USERNAME_TAKEN, "username already exists")


def _email_taken() -> ProblemError:
    return ProblemError(problems.EMAIL_TAKEN, "email already exists")
