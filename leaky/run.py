"""`leaky run`: the whole system on this machine, from the servers up, until Ctrl-C."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import httpx2
from rich.console import Console

from devstack.processes import last_lines
from devstack.server import DevstackError
from devstack.settings import DevstackSettings
from devstack.stack import Devstack
from devstack.supervision import (
    NEEDS_A_PERSON,
    ProgramReport,
    ProgramState,
    Supervision,
)
from leaky.applications import (
    PREPARATION,
    Application,
    ApplicationPlan,
    ApplicationPorts,
    plan_applications,
)

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

RUN_ENVIRONMENT = "run.env"
"""File in the data folder with the running system's settings, one `NAME=value` a line."""

_READY_WITHIN_S = 180.0
_POLL_S = 0.1
_WATCH_EVERY_S = 1.0
_REQUEST_TIMEOUT_S = 2.0


@click.command("run")
@click.option(
    "--accounts-processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 12),
    help="Processes that share the partitions of accounts.commands.",
)
def run_command(accounts_processes: int) -> None:
    """Start the servers and every process, say where they listen, and wait for Ctrl-C.

    Servers named by LEAKY_KAFKA_BOOTSTRAP_SERVERS, LEAKY_POSTGRES_DSN or LEAKY_REDIS_URL are
    used from there and not started.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        with _stop_signals_as_interrupt():
            run_until_stopped(
                DevstackSettings(), ApplicationPorts.load(), accounts_processes, console
            )
    except DevstackError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("stopped")


def run_until_stopped(
    settings: DevstackSettings, ports: ApplicationPorts, accounts_processes: int, console: Console
) -> None:
    """Bring the system up and watch it until KeyboardInterrupt, then take it down in order.

    Raises DevstackError, with everything stopped, when some part cannot be started.
    """
    began = time.monotonic()
    data_dir = settings.data_dir.absolute()
    stack = Devstack(settings, console)
    if Supervision(data_dir, []).stop_survivors():
        console.print("processes of a run that ended without stopping them: stopped")
    with _servers(stack) as addresses:
        plan = plan_applications(accounts_processes, ports)
        environment = {**addresses, **plan.settings, "LEAKY_DATA_DIR": str(data_dir)}
        _prepare(data_dir, environment, console)
        supervision = Supervision(
            data_dir, [application.program for application in plan.in_stopping_order]
        )
        with _applications(supervision, plan, environment, console):
            _wait_until_ready(supervision, plan, console)
            with _run_environment(data_dir / RUN_ENVIRONMENT, environment):
                console.print(f"ready after {time.monotonic() - began:.1f} s\n")
                console.print(_what_to_try_first(plan, data_dir))
                _watch(supervision, console)


@contextmanager
def _stop_signals_as_interrupt() -> Iterator[None]:
    """Let SIGTERM stop the system as Ctrl-C does, and SIGINT even where a shell ignores it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore further stop signals: every step of stopping ends by itself within a bound."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers,
) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def _servers(stack: Devstack) -> Iterator[dict[str, str]]:
    """The servers' addresses; those started here are stopped at the end."""
    addresses = stack.up(owned=True)
    try:
        yield addresses
    finally:
        with _undisturbed():
            if stack.owner_pid() == os.getpid():
                stack.down()


def _prepare(data_dir: Path, environment: Mapping[str, str], console: Console) -> None:
    for arguments in PREPARATION:
        began = time.monotonic()
        name = " ".join(arguments)
        log = data_dir / "logs" / f"prepare-{'-'.join(arguments)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                check=False,
            )
        if done.returncode:
            raise DevstackError(
                f"`python -m {name}` ended with code {done.returncode}. The end of {log}:\n"
                f"{last_lines(log)}"
            )
        console.print(f"prepared: {name} ({time.monotonic() - began:.1f} s)")


@contextmanager
def _applications(
    supervision: Supervision,
    plan: ApplicationPlan,
    environment: Mapping[str, str],
    console: Console,
) -> Iterator[None]:
    try:
        supervision.start(environment)
        yield
    finally:
        with _undisturbed():
            console.print("stopping")
            for application in plan.in_stopping_order:
                _stop(supervision, application, console)
            supervision.shut_down()


def _stop(supervision: Supervision, application: Application, console: Console) -> None:
    began = time.monotonic()
    try:
        supervision.stop(application.program.name)
    except DevstackError:
        return  # without supervisord the programs are found and ended by `shut_down`
    console.print(f"{application.title}: stopped ({time.monotonic() - began:.1f} s)")


def _wait_until_ready(supervision: Supervision, plan: ApplicationPlan, console: Console) -> None:
    began = time.monotonic()
    waiting = list(plan.in_stopping_order)
    with httpx2.Client(timeout=_REQUEST_TIMEOUT_S, trust_env=False) as client:
        while waiting:
            for application in [one for one in waiting if _is_ready(client, one)]:
                waiting.remove(application)
                moved = f" ({application.moved_from} is taken)" if application.moved_from else ""
                console.print(
                    f"{application.title}: ready at {application.url} after "
                    f"{time.monotonic() - began:.1f} s{moved}, {application.listens_for}"
                )
            for report in supervision.reports():
                if report.has_given_up:
                    raise DevstackError(_given_up(supervision, report))
            if waiting and time.monotonic() - began > _READY_WITHIN_S:
                raise DevstackError(_not_ready(supervision, waiting[0]))
            time.sleep(_POLL_S)


def _is_ready(client: httpx2.Client, application: Application) -> bool:
    try:
        return client.get(f"{application.url}/health/ready").is_success
    except httpx2.TransportError:
        return False


@contextmanager
def _run_environment(file: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Leave the settings for commands in other terminals, as long as the system runs."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
    unfinished = file.with_suffix(".new")
    unfinished.write_text("".join(lines), encoding="utf-8")
    unfinished.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _watch(supervision: Supervision, console: Console) -> None:
    """Say when a process was started again or has given up; the others run on."""
    before = {report.name: report for report in supervision.reports()}
    while True:
        time.sleep(_WATCH_EVERY_S)
        for report in supervision.reports():
            if report.state is ProgramState.BACKOFF and report.exit_code == NEEDS_A_PERSON:
                supervision.stop(report.name)  # it ended too early for the rule to count
            last = before[report.name]
            if report.has_given_up and not last.has_given_up:
                console.print(_given_up(supervision, report), style="bold red")
            elif report.pid and report.pid != last.pid:
                console.print(
                    f"{report.name}: ended and was started again, see "
                    f"{supervision.log_of(report.name)}",
                    style="yellow",
                )
            before[report.name] = report if report.pid or report.has_given_up else last


def _given_up(supervision: Supervision, report: ProgramReport) -> str:
    log = supervision.log_of(report.name)
    reason = "a person must look at it" if report.exit_code == NEEDS_A_PERSON else "it kept ending"
    return (
        f"{report.name} ended with code {report.exit_code} and is not started again: {reason}. "
        f"The end of {log}:\n{last_lines(log)}"
    )


def _not_ready(supervision: Supervision, application: Application) -> str:
    log = supervision.log_of(application.program.name)
    return (
        f"{application.title} was not ready at {application.url}/health/ready within "
        f"{_READY_WITHIN_S:.0f} s. The end of {log}:\n{last_lines(log)}"
    )


def _what_to_try_first(plan: ApplicationPlan, data_dir: Path) -> str:
    return f"""What to try first, in another terminal, in {Path.cwd()}:
  . {_shown(data_dir / RUN_ENVIRONMENT)}
  curl -s "$LEAKY_AUTH_URL/api/v1/auth/register" -H 'Content-Type: application/json' \\
    -d '{{"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}}'
and so on: README.md has the whole tour, in five minutes.
The gateway's API: {plan.settings["LEAKY_GATEWAY_URL"]}/docs. Logs: {_shown(data_dir / "logs")}.
Ctrl-C stops everything."""


def _shown(path: Path) -> Path:
    """As one types it: from the working folder, if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    run_command()
