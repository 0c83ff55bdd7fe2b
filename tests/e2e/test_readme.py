"""The README's tour, word by word, and the operations page's examples after it.

Their shell blocks are run in one shell, against a real `leaky run`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from leaky.run import RUN_ENVIRONMENT

pytestmark = pytest.mark.timeout(900)

_ROOT = Path(__file__).parents[2]
_READY_WITHIN_S = 300.0
_TOUR_WITHIN_S = 240.0
_STOPPED_WITHIN_S = 120.0
_POLL_S = 0.2
_BETWEEN_BLOCKS = "---- end of a block of the tour ----"
_KEPT_SETTINGS = ("LEAKY_CACHE_DIR", "LEAKY_MAVEN_REPOSITORY")


@dataclass(frozen=True)
class Tour:
    """What each block printed, and how the system ended when Ctrl-C was pressed after it."""

    printed_by: Mapping[str, str]
    exit_code: int
    left_over: Sequence[str]

    def printed_after(self, command: str) -> str:
        """What the one block printed that has `command` in it."""
        (printed,) = (text for block, text in self.printed_by.items() if command in block)
        return printed

    def answer_to(self, command: str) -> dict[str, Any]:
        """The JSON object that was printed."""
        answer: dict[str, Any] = json.loads(self.printed_after(command))
        return answer


def _blocks() -> list[str]:
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    (tour,) = re.findall(r"^## A tour.*?(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    operations = (_ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return [
        block
        for page in (tour, operations)
        for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ]


@contextmanager
def _running_system(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`leaky run` on free ports with a data folder of its own, once it is ready."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LEAKY_") or name in _KEPT_SETTINGS
    }
    services = ("GATEWAY", "GATEWAY_ALIAS", "AUTH", "QWEN", "GEMINI", "OPENAI", "METRICS")
    any_port = {f"LEAKY_{service}_PORT": "0" for service in services}
    log = data_dir / "run.log"
    with log.open("wb") as output:
        system = subprocess.Popen(
            [sys.executable, "-m", "leaky", "run"],
            cwd=_ROOT,
            env={**kept, **any_port, "LEAKY_DATA_DIR": str(data_dir)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not (data_dir / RUN_ENVIRONMENT).exists():
            assert system.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(_POLL_S)
        yield system
    finally:
        if system.poll() is None:
            system.terminate()
            system.wait(_STOPPED_WITHIN_S)


def _walk(folder: Path) -> dict[str, str]:
    """Type every block into one shell in `folder`; what each printed."""
    blocks = _blocks()
    script = "set -euo pipefail\n" + f"\necho '{_BETWEEN_BLOCKS}'\n".join(blocks)
    walked = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("LEAKY_")},
        capture_output=True,
        text=True,
        timeout=_TOUR_WITHIN_S,
        check=False,
    )
    assert walked.returncode == 0, walked.stdout + walked.stderr
    return dict(zip(blocks, walked.stdout.split(_BETWEEN_BLOCKS), strict=True))


def _processes_of(data_dir: Path) -> list[str]:
    """Command lines of living processes that were told of the data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(data_dir) in t for t in told):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue  # gone meanwhile, or another user's
    return found


@pytest.fixture(scope="module")
def tour(server_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """The tour taken, and the system stopped as with Ctrl-C."""
    data_dir = server_folder / "readme"
    data_dir.mkdir()
    clone = tmp_path_factory.mktemp("clone")
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / ".leaky").symlink_to(data_dir)
    with _running_system(data_dir) as system:
        printed_by = _walk(clone)
        system.send_signal(signal.SIGINT)
        exit_code = system.wait(_STOPPED_WITHIN_S)
    return Tour(printed_by, exit_code, _processes_of(data_dir))


def test_a_new_user_is_registered(tour: Tour) -> None:
    answer = tour.answer_to("auth/register")
    assert answer["username"] == "ada"
    assert answer["roles"] == ["USER"]


def test_the_first_request_is_allowed_and_the_provider_answers(tour: Tour) -> None:
    answer = tour.answer_to("prompt")
    assert answer["allowed"] is True
    assert answer["used"] == 900
    assert answer["providerResponse"]["choices"]


def test_the_second_request_is_refused_with_the_time_after_which_it_passes(tour: Tour) -> None:
    answer = tour.answer_to("REFUSED=")
    assert answer["status"] == 429
    assert answer["code"] == "rate-limited"
    assert answer["allowed"] is False
    (violation,) = answer["violations"]
    assert 0 < violation["retryAfterMs"] <= 80_000
    assert answer["waitSeconds"] == -(-violation["retryAfterMs"] // 1000)


def test_the_quota_shows_what_the_first_request_took(tour: Tour) -> None:
    answer = tour.answer_to("tokens/quota")
    assert answer["tier"] == "FREE"
    assert answer["totalTokens"] == 100_000
    assert answer["remainingTokens"] == 99_100
    assert answer["heldTokens"] == 0


def test_a_reservation_is_charged_what_was_used(tour: Tour) -> None:
    answer = tour.answer_to("/settle")
    assert answer["chargedTokens"] == 320
    assert answer["quota"]["remainingTokens"] == 100_000 - 320


def test_the_refusal_is_explained_and_every_answer_proved(tour: Tour) -> None:
    printed = tour.printed_after("leaky explain")
    assert f"rate-limited for {tour.answer_to('REFUSED=')['commandId']}" in printed
    assert re.search(r"^[1-9][0-9]* commands decided again$", printed, re.MULTILINE)
    assert re.search(r"^0 differences$", printed, re.MULTILINE)


def test_the_account_has_the_tier_that_an_administrator_gave_it(tour: Tour) -> None:
    printed = tour.printed_after("set-tier")
    assert "tier PRO, open" in printed
    assert "1,999,100 of 2,000,000 tokens remain" in printed


def test_a_policy_is_published_and_an_account_gets_limits_of_its_own(tour: Tour) -> None:
    assert "version 2 applied by every partition" in tour.printed_after("policy publish")
    assert "1 limits of its own for openai" in tour.printed_after("set-limits")


def test_a_command_put_on_the_log_is_answered(tour: Tour) -> None:
    answer = tour.answer_to("leaky produce")
    assert answer["outcome"] == "granted"
    assert answer["tokens"] == 40


def test_ctrl_c_ends_the_system_well_and_leaves_nothing_behind(tour: Tour) -> None:
    assert tour.exit_code == 0
    assert tour.left_over == []
