"""Brings the tables up to date, once, however many replicas start together."""

from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations

_FOLDER = Path(__file__).parent / "migrations"
_TABLE = "auth_migrations"
# Any constant will do, as long as nothing else in the database locks it.
_ADVISORY_LOCK = 0x1EAC_A0_01


def migrate(dsn: str) -> list[str]:
    """Apply what is missing; give the names of what was applied, oldest first.

    Replicas that come at the same time wait for the first one. PostgreSQL's own lock does that:
    the migration tool's lock is a table row, which a killed process leaves behind.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        with get_backend(_address_for_yoyo(dsn), migration_table=_TABLE) as backend:
            missing = backend.to_apply(read_migrations(str(_FOLDER)))
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]


def pending(dsn: str) -> list[str]:
    """Names of the migrations that are not applied; changes nothing but yoyo's own tables."""
    with get_backend(_address_for_yoyo(dsn), migration_table=_TABLE) as backend:
        return [migration.id for migration in backend.to_apply(read_migrations(str(_FOLDER)))]


def _address_for_yoyo(dsn: str) -> str:
    """The DSN, URL or `key=value` alike, as a URL that names the psycopg 3 driver."""
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    database = quote(parts.pop("dbname", "postgres"))
    # Everything travels in the query, since a host can be the path of a socket folder.
    return f"postgresql+psycopg:///{database}?{urlencode(parts)}"
