"""Programs under supervisord: started again, given up, stopped, found after a crash."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from devstack.processes import ProcessRecord
from devstack.supervision import (
    NEEDS_A_PERSON,
    Program,
    ProgramReport,
    ProgramState,
    Supervision,
)

Supervise = Callable[[Sequence[Program]], Supervision]

_WITHIN_S = 30.0


def _python(name: str, program: str) -> Program:
    return Program(name, [sys.executable, "-c", program], {"LEAKY_SLOT": "7"}, stop_within_s=5)


_STAYS = "import os, time; print('slot', os.environ['LEAKY_SLOT'], flush=True); time.sleep(600)"


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    started: list[Supervision] = []

    def start(programs: Sequence[Program]) -> Supervision:
        supervision = Supervision(tmp_path, programs)
        started.append(supervision)
        supervision.start({"LEAKY_REDIS_URL": "redis://somewhere/%41"})
        return supervision

    yield start
    for supervision in started:
        supervision.shut_down()


def _wait_for(
    supervision: Supervision, condition: Callable[[ProgramReport], bool]
) -> ProgramReport:
    """The first program's report, as soon as it meets the condition."""
    deadline = time.monotonic() + _WITHIN_S
    while True:
        report = supervision.reports()[0]
        if condition(report):
            return report
        assert time.monotonic() < deadline, report
        time.sleep(0.05)


def _runs(report: ProgramReport) -> bool:
    return report.state is ProgramState.RUNNING


def test_a_program_gets_its_environment_and_a_log_of_its_own(supervise: Supervise) -> None:
    supervision = supervise([_python("accounts-7", _STAYS)])
    _wait_for(supervision, _runs)
    assert supervision.log_of("accounts-7").read_text() == "slot 7\n"


def test_a_killed_program_is_started_again(supervise: Supervise) -> None:
    supervision = supervise([_python("accounts", _STAYS)])
    first = _wait_for(supervision, _runs)
    os.kill(first.pid, signal.SIGKILL)
    _wait_for(supervision, lambda report: _runs(report) and report.pid != first.pid)


def test_a_program_that_needs_a_person_is_not_started_again(supervise: Supervise) -> None:
    ends = f"import sys, time; time.sleep(1.5); sys.exit({NEEDS_A_PERSON})"
    supervision = supervise([_python("accounts", ends)])
    report = _wait_for(supervision, lambda report: report.has_given_up)
    assert report.state is ProgramState.EXITED
    assert report.exit_code == NEEDS_A_PERSON


def test_a_program_that_cannot_start_is_given_up(supervise: Supervise) -> None:
    supervision = supervise([_python("accounts", "print('no topics'); raise SystemExit(1)")])
    report = _wait_for(supervision, lambda report: report.has_given_up)
    assert report.state is ProgramState.FATAL
    assert "no topics" in supervision.log_of("accounts").read_text()


def test_stopping_one_program_leaves_the_others(supervise: Supervise) -> None:
    supervision = supervise([_python("gateway", _STAYS), _python("accounts", _STAYS)])
    supervision.stop("gateway")
    states = {report.name: report.state for report in supervision.reports()}
    assert states["gateway"] is ProgramState.STOPPED
    assert states["accounts"] in (ProgramState.STARTING, ProgramState.RUNNING)


def test_processes_of_a_killed_supervisor_are_found_and_stopped(
    supervise: Supervise, tmp_path: Path
) -> None:
    supervision = supervise([_python("accounts", _STAYS)])
    orphan = psutil.Process(_wait_for(supervision, _runs).pid)
    record_file = tmp_path / "supervisor" / "supervisord.json"
    daemon = ProcessRecord.model_validate_json(record_file.read_bytes())
    os.kill(daemon.pid, signal.SIGKILL)
    assert orphan.is_running()

    later = Supervision(tmp_path, [])

    assert later.stop_survivors()
    orphan.wait(timeout=_WITHIN_S)
    assert not later.stop_survivors()
