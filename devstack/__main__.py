"""`python -m devstack up|down|status|kafka-tool`: the embedded servers, without the application."""

import os
import sys

import click
from rich.console import Console
from rich.table import Table

from devstack.kafka_tools import TOOLS, tool_command
from devstack.server import DevstackError
from devstack.settings import DevstackSettings
from devstack.stack import Condition, Devstack

# Addresses and paths are printed whole even where no terminal tells its width.
_WIDE = 160


@click.group()
def main() -> None:
    """Start, stop and show the embedded servers of the data folder (LEAKY_DATA_DIR, .leaky)."""


@main.command()
def up() -> None:
    """Start every server that does not run yet and leave them running."""
    console = Console()
    stack = Devstack(DevstackSettings(), console)
    try:
        addresses = stack.up(owned=False)
    except DevstackError as error:
        raise click.ClickException(str(error)) from error
    console.print("To use them from this shell:")
    for variable, address in addresses.items():
        console.print(f"  export {variable}={address}", highlight=False, soft_wrap=True)


@main.command()
def down() -> None:
    """Stop every server of the data folder."""
    stack = Devstack(DevstackSettings(), Console())
    owner = stack.owner_pid()
    if owner is not None:
        raise click.ClickException(
            f"the servers belong to process {owner}, which runs: end that one, it stops them"
        )
    stack.down()


@main.command()
def status() -> None:
    """Show every server; exit code 1 if one does not answer."""
    table = Table("server", "condition", "address", "pid", "log", box=None)
    found = Devstack(DevstackSettings(), Console()).status()
    for server in found:
        here = server.log is not None
        table.add_row(
            server.title,
            str(server.condition),
            server.address,
            str(server.pid or ("" if here else "not ours")),
            str(server.log or ""),
        )
    Console(width=max(Console().width, _WIDE)).print(table)
    sys.exit(any(server.condition is not Condition.UP for server in found))


@main.command("kafka-tool", context_settings={"ignore_unknown_options": True})
@click.argument("tool", type=click.Choice(sorted(TOOLS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kafka_tool(tool: str, arguments: tuple[str, ...]) -> None:
    """Run one of Kafka's own tools in this process's place, with its own arguments."""
    try:
        command = tool_command(DevstackSettings(), Console(stderr=True), tool, arguments)
    except DevstackError as error:
        raise click.ClickException(str(error)) from error
    os.execv(command[0], command)  # noqa: S606 - an argument list, as everywhere here


if __name__ == "__main__":
    main()
