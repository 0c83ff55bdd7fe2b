"""What a stranger meets in the tree: short modules, packages that say what they are for."""

import ast
import re
from pathlib import Path

from tests.architecture.tree import ROOT, project_files, python_files

_LONGEST_MODULE_LINES = 400

# Written in parts, so that this file does not hold what it looks for.
_REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("repo1", "maven", "org"),
            ("repo", "maven", "apache", "org"),
            ("registry", "npmjs", "org"),
            ("proxy", "golang", "org"),
            ("crates", "io"),
            ("deb", "debian", "org"),
        )
    )
)
_PATHS_OF_ONE_MACHINE = re.compile(r"(?<![\w.}$-])/(?:home|root|Users|work)/\w")


def _relative(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def test_no_module_is_longer_than_400_lines() -> None:
    assert {
        str(file.relative_to(ROOT)): lines
        for file in python_files()
        if (lines := len(_text(file).splitlines())) > _LONGEST_MODULE_LINES
    } == {}


def test_every_folder_of_modules_is_a_package_that_says_what_lives_there() -> None:
    folders = {file.parent for file in python_files()} - {ROOT, ROOT / "examples"}
    assert (
        _relative(
            sorted(
                folder
                for folder in folders
                if not (folder / "__init__.py").exists()
                or ast.get_docstring(ast.parse(_text(folder / "__init__.py"))) is None
            )
        )
        == []
    )


def test_every_module_says_what_it_is_for() -> None:
    assert (
        _relative(
            [file for file in python_files() if ast.get_docstring(ast.parse(_text(file))) is None]
        )
        == []
    )


def test_no_file_names_a_package_registry() -> None:
    assert _relative([f for f in project_files() if _REGISTRY_HOSTS.search(_text(f))]) == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert _relative([f for f in project_files() if _PATHS_OF_ONE_MACHINE.search(_text(f))]) == []
