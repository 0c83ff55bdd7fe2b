"""The import rules of pyproject.toml, and those that import-linter has no contract for."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.architecture.tree import ROOT, python_files

_NOT_IN_DECISIONS = {"quixstreams", "confluent_kafka", "asyncio", "time", "os"}
"""What a decision may not know of: its only clock is the record's, and it does no I/O."""


def _deciding_files() -> list[Path]:
    return [
        file
        for file in python_files()
        if file.is_relative_to(ROOT / "state")
        or (file.is_relative_to(ROOT / "pipelines") and file.name == "decide.py")
    ]


def _imported(file: Path) -> set[str]:
    """The top-level packages that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_import_contracts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports() == 0


def test_decisions_import_no_clock_no_broker_and_no_operating_system() -> None:
    deciding = _deciding_files()
    assert deciding
    assert {
        str(file.relative_to(ROOT)): forbidden
        for file in deciding
        if (forbidden := _imported(file) & _NOT_IN_DECISIONS)
    } == {}
