"""What the devstack remembers between commands: `devstack.json` in the data folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ValidationError

from devstack.processes import ProcessRecord

_STATE_FILE = "devstack.json"
_LOCK_FILE = "devstack.lock"


class ServerRun(BaseModel, frozen=True):
    """One started server."""

    process: ProcessRecord
    ports: dict[str, int]


class StackState(BaseModel):
    """The servers believed to run, who started them, and the ports used last."""

    owner: ProcessRecord | None = None
    """The process whose end must end the servers; None if `devstack up` left them running."""
    running: dict[str, ServerRun] = {}
    last_ports: dict[str, dict[str, int]] = {}


def load(data_dir: Path) -> StackState:
    """The remembered state, an empty one if there is none that can be read."""
    try:
        return StackState.model_validate_json((data_dir / _STATE_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return StackState()


def save(data_dir: Path, state: StackState) -> None:
    """Replace the remembered state in one step, so that a crash leaves the old or the new one."""
    arriving = data_dir / f"{_STATE_FILE}.new"
    arriving.write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")
    arriving.replace(data_dir / _STATE_FILE)


@contextmanager
def one_command_at_a_time(data_dir: Path) -> Iterator[None]:
    """Wait for any other up or down on this data folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / _LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
