"""`python -m auth` serves; `migrate` updates the tables; `create-admin` makes the first ADMIN."""

import asyncio
import sys
from functools import partial

import click
import psycopg
from psycopg_pool import PoolTimeout

from auth.administrators import NoSuchUserError, create_administrator, promote
from auth.application import SERVICE_NAME, create_application, prepare_signing_key
from auth.migrate import migrate, pending
from auth.settings import AuthSettings
from auth.signing.encryption import KeyEncryptionError
from auth.users.schemas import Registration
from service.http.problems import ProblemError
from service.logging import configure_logging, get_logger
from service.run import Listener, run_service
from service.settings import EXIT_NEEDS_A_PERSON


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """The auth server. Without a command it serves until it is told to stop."""
    settings = AuthSettings.load()
    context.obj = settings
    configure_logging(SERVICE_NAME, settings.log_level)
    if context.invoked_subcommand is None:
        _serve(settings)


@main.command("migrate")
@click.pass_obj
def migrate_command(settings: AuthSettings) -> None:
    """Bring the tables up to date and say what was applied."""
    applied = migrate(settings.postgres_dsn.get_secret_value())
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to apply")


@main.command("create-admin")
@click.option("--username", required=True)
@click.option("--email", help="Needed for a new user.")
@click.option("--promote", "promotes", is_flag=True, help="Give ADMIN to a user who is there.")
@click.pass_obj
def create_admin(settings: AuthSettings, username: str, email: str | None, promotes: bool) -> None:
    """Make a user with role ADMIN. The password is asked for, or LEAKY_ADMIN_PASSWORD has it."""
    if promotes:
        try:
            user = asyncio.run(promote(settings, username))
        except NoSuchUserError:
            raise click.ClickException(f"there is no user {username}") from None
        click.echo(f"{user.username} ({user.id}) is an ADMIN now")
        return
    if email is None:
        raise click.UsageError("--email is needed for a new user, or --promote for a known one")
    if settings.admin_password is not None:
        password = settings.admin_password.get_secret_value()
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    registration = Registration(username=username, email=email, password=password)
    try:
        user = asyncio.run(create_administrator(settings, registration))
    except ProblemError as problem:
        raise click.ClickException(problem.detail) from None
    click.echo(f"made the ADMIN {user.username} ({user.id})")


def _serve(settings: AuthSettings) -> None:
    dsn = settings.postgres_dsn.get_secret_value()
    logger = get_logger(__name__)
    try:
        if settings.auth_migrate_at_start:
            logger.info("the tables are up to date", applied=migrate(dsn))
        elif missing := pending(dsn):
            logger.critical("the tables are old: run `python -m auth migrate`", missing=missing)
            sys.exit(EXIT_NEEDS_A_PERSON)
        asyncio.run(prepare_signing_key(settings))
    except (psycopg.OperationalError, PoolTimeout) as error:
        logger.critical("the database does not answer", error=str(error))
        sys.exit(1)
    except KeyEncryptionError as error:
        logger.critical("the signing key cannot be read", error=str(error))
        sys.exit(EXIT_NEEDS_A_PERSON)
    run_service(
        partial(create_application, settings),
        Listener.of(settings, SERVICE_NAME, settings.auth_port, settings.auth_workers),
    )


if __name__ == "__main__":
    main()
