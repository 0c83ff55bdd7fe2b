"""`leaky accounts`: reading one account, and the privileged commands on it."""

import secrets
import sys
from typing import TextIO, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from leaky.asking import Asker
from leaky.issuing import current_issuer
from leaky.parameters import ACCOUNT
from leaky.settings import CommandLineSettings
from leaky.text import limit_lines, moment, quota_line
from schemas.commands import (
    AccountStatus,
    Privileged,
    Query,
    SetLimits,
    SetStatus,
    SetTier,
)
from schemas.limits import LimitRule
from schemas.outcomes import TOOK_EFFECT
from schemas.replies import AccountReading, Reply

C = TypeVar("C", Query, SetTier, SetStatus, SetLimits)

_ACTOR = "leaky"
_RULES: TypeAdapter[tuple[LimitRule, ...]] = TypeAdapter(tuple[LimitRule, ...])


@click.group("accounts")
def accounts_group() -> None:
    """Read an account; set its tier, its status, its own limits."""


@accounts_group.command("show")
@click.argument("account", metavar="ID", type=ACCOUNT)
@click.option("--provider", help="This provider alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the reply as JSON.")
def show(account: str, provider: str | None, as_json: bool) -> None:
    """What the account has now, read in order with its commands.

    ID is user:<uuid>, org:<uuid>, or a user's UUID.
    """
    command = _made(Query, account=account, provider=provider)
    with Asker(CommandLineSettings.load()) as asker:
        reply = asker.ask(command)
    _require_effect(reply)
    if as_json:
        click.echo(reply.to_json())
    elif reply.reading is not None:
        click.echo(_described(account, reply.reading))


@accounts_group.command("set-tier")
@click.argument("account", metavar="ID", type=ACCOUNT)
@click.argument("tier", required=False)
@click.option("--default", "to_default", is_flag=True, help="Return it to the default tier.")
def set_tier(account: str, tier: str | None, to_default: bool) -> None:
    """Give the account a TIER of the policy."""
    if (tier is None) != to_default:
        raise click.UsageError("expected a tier's name, or --default to take the tier away")
    _administer(_made(SetTier, account=account, tier=tier))
    click.echo(f"{account} has {'the default tier' if tier is None else f'tier {tier}'} now")


@accounts_group.command("set-status")
@click.argument("account", metavar="ID", type=ACCOUNT)
@click.argument("status", type=click.Choice([status.value for status in AccountStatus]))
@click.option("--reason", help="Kept in the event, at most 200 characters.")
def set_status(account: str, status: str, reason: str | None) -> None:
    """Open, suspend or close the account."""
    command = _made(SetStatus, account=account, status=AccountStatus(status), reason=reason)
    _administer(command)
    click.echo(f"{account} is {status} now")


@accounts_group.command("set-limits")
@click.argument("account", metavar="ID", type=ACCOUNT)
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--provider", required=True, help="The provider that the limits are for.")
@click.option("--clear", is_flag=True, help="Remove the account's own limits.")
def set_limits(account: str, file: TextIO | None, provider: str, clear: bool) -> None:
    """Set the account's own limits over its tier's of the same name.

    FILE (- for stdin) holds a JSON list of limit rules as a policy has them, for example
    [{"kind": "leaky-bucket", "name": "tokens", "capacity": 5000, "amount": 50}].
    """
    if (file is None) != clear:
        raise click.UsageError("expected a file with limit rules, or --clear to remove them")
    try:
        rules = () if file is None else _RULES.validate_json(file.read())
    except ValidationError as error:
        raise click.ClickException(f"expected a JSON list of limit rules: {error}") from None
    _administer(_made(SetLimits, account=account, provider=provider, limits=rules))
    click.echo(f"{account} has {len(rules)} limits of its own for {provider} now")


def _made(kind: type[C], **fields: object) -> C:
    command_id = f"leaky-{secrets.token_hex(12)}"
    try:
        return kind.model_validate({"command_id": command_id, "actor": _ACTOR, **fields})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise click.ClickException(f"{field}: {problem['msg']}, got {problem['input']!r}") from None


def _administer(command: Privileged) -> None:
    settings = CommandLineSettings.load()
    issuer = current_issuer(settings)
    with Asker(settings) as asker:
        _require_effect(asker.ask(command, issuer))


def _require_effect(reply: Reply) -> None:
    if reply.outcome not in TOOK_EFFECT:
        detail = f": {reply.detail}" if reply.detail else ""
        sys.exit(f"Error: the accounts pipeline answered {reply.outcome}{detail}")


def _described(account: str, reading: AccountReading) -> str:
    updated = "never" if reading.updated_at_ms is None else moment(reading.updated_at_ms)
    lines = [
        f"{account}: tier {reading.tier}, {reading.status}",
        f"{reading.open_holds} open holds; last changed: {updated}",
    ]
    for provider in reading.providers:
        lines.append(provider.provider)
        lines.append(f"  {quota_line(provider.quota)}")
        lines += [f"  {line}" for line in limit_lines(provider.limits)]
    return "\n".join(lines)
