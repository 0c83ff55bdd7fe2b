"""`python -m devstack up|down|status`: the embedded servers without the application."""

import sys

import click
from rich.console import Console
from rich.table import Table

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


if __name__ == "__main__":
    main()
