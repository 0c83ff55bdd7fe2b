"""The files of the project, for tests that read them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def project_files() -> list[Path]:
    """Every file that is or would be kept in version control; all outside ignored folders if
    the tree is no clone."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        candidates = [
            file
            for folder in ROOT.iterdir()
            if not folder.name.startswith(".") and folder.name not in ("build", "dist")
            for file in ([folder] if folder.is_file() else folder.rglob("*"))
        ]
    else:
        candidates = [ROOT / name for name in listed.stdout.split("\0") if name]
    return sorted(file for file in candidates if file.is_file())


def python_files() -> list[Path]:
    """Every Python file of the project."""
    return [file for file in project_files() if file.suffix == ".py"]
