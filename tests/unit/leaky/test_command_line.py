"""What can be told without a broker: settings, arguments, and clear refusals."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from leaky.__main__ import leaky
from leaky.settings import CommandLineSettings
from leaky.text import milli, quota_line, wait
from schemas.quotas import QuotaReading


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("LEAKY_KAFKA_BOOTSTRAP_SERVERS", "LEAKY_TOPICS_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEAKY_DATA_DIR", str(tmp_path))


def test_a_second_terminal_finds_the_system_that_runs_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "run.env").write_text(
        "LEAKY_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:19092\nLEAKY_GATEWAY_PORT=8080\n"
    )
    assert CommandLineSettings.load().kafka_bootstrap_servers == "127.0.0.1:19092"


def test_the_environment_wins_over_the_running_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.env").write_text("LEAKY_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:19092\n")
    monkeypatch.setenv("LEAKY_KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    assert CommandLineSettings.load().kafka_bootstrap_servers == "kafka.example:9092"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["accounts", "show", "bob"], "expected user:<uuid>, org:<uuid>"),
        (["explain", "x", "--since", "soon"], "expected a number with s, m, h or d"),
        (["accounts", "set-tier", "11111111-2222-3333-4444-555555555555"], "or --default"),
        (["dead-letters", "show", "first"], "expected an id such as 3/17"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_was_expected(
    arguments: list[str], expected: str
) -> None:
    done = CliRunner().invoke(leaky, arguments)
    assert done.exit_code != 0
    assert expected in done.output


def test_every_command_explains_itself() -> None:
    for name, command in leaky.commands.items():
        done = CliRunner().invoke(leaky, [name, "--help"])
        assert done.exit_code == 0, name
        assert command.help, name


def test_amounts_are_written_with_the_decimals_that_they_have() -> None:
    assert milli(1_234_567) == "1,234.567"
    assert milli(1_500) == "1.5"
    assert milli(2_000) == "2"
    assert wait(None) == "never by waiting"
    assert wait(1_500) == "in 1.500 s"


def test_a_quota_in_debt_says_so() -> None:
    quota = QuotaReading(
        total_tokens=10, remaining_tokens=0, allowance_tokens=10, purchased_tokens=0, debt_tokens=3
    )
    assert "debt 3" in quota_line(quota)
    assert "opens at first use" in quota_line(quota)
