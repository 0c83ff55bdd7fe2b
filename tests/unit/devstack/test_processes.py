"""Processes: recognised as the recorded ones, and stopped within a bound."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.processes import ProcessRecord, last_lines, spawn, stop

_SLEEPS = "import sys, time; print('ready', flush=True); time.sleep(60)"
_IGNORES_SIGTERM = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('ready', flush=True); time.sleep(60)"
)


class Started:
    """A process that has said that it is ready, ended with the test."""

    def __init__(self, program: str, folder: Path) -> None:
        self.log = folder / "logs" / "program.log"
        self.child = spawn([sys.executable, "-c", program, str(folder)], folder, self.log)
        self.record = ProcessRecord.of(self.child.pid, mark=str(folder))
        while not self.log.read_bytes():
            assert self.child.poll() is None

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Started]:
    started = Started(_SLEEPS, tmp_path)
    yield started
    started.end()


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Started]:
    started = Started(_IGNORES_SIGTERM, tmp_path)
    yield started
    started.end()


def test_a_recorded_process_is_alive_until_it_has_ended(sleeper: Started) -> None:
    assert sleeper.record.is_alive()
    sleeper.child.kill()
    sleeper.child.wait()
    assert not sleeper.record.is_alive()


def test_a_process_that_ended_and_waits_for_its_parent_is_not_alive(sleeper: Started) -> None:
    assert stop(sleeper.record, signal.SIGTERM, grace_s=10)
    assert not sleeper.record.is_alive()


def test_a_later_process_with_the_same_pid_is_another_one(sleeper: Started) -> None:
    earlier = sleeper.record.model_copy(update={"started_at": sleeper.record.started_at - 60})
    assert not earlier.is_alive()
    assert stop(earlier, signal.SIGKILL, grace_s=0)
    assert sleeper.record.is_alive()


def test_a_process_with_another_command_line_is_another_one(sleeper: Started) -> None:
    other = sleeper.record.model_copy(update={"mark": "/a/folder/of/another/server"})
    assert stop(other, signal.SIGKILL, grace_s=0)
    assert sleeper.record.is_alive()


def test_a_process_that_ignores_the_signal_is_killed_after_its_grace(stubborn: Started) -> None:
    left_by_itself = stop(stubborn.record, signal.SIGTERM, grace_s=0.2)
    assert not left_by_itself
    assert not stubborn.record.is_alive()


def test_a_server_is_in_a_session_of_its_own_so_that_ctrl_c_passes_it_by(sleeper: Started) -> None:
    session = subprocess.check_output(["ps", "-o", "sid=", "-p", str(sleeper.child.pid)], text=True)
    assert int(session) == sleeper.child.pid


def test_the_log_before_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        child = spawn([sys.executable, "-c", f"print('{text}')"], tmp_path, tmp_path / "a.log")
        child.wait()
    assert last_lines(tmp_path / "a.log") == "second"
    assert last_lines(tmp_path / "a.log.previous") == "first"
