"""Fetching the jars of a server: pinned coordinates, digests compared, all of them or none."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from devstack.server import DevstackError

_DOWNLOADS_AT_ONCE = 6
_REQUEST_TIMEOUT_S = 30
_ATTEMPTS = 3
_PAUSE_S = 1.0


@dataclass(frozen=True)
class Jar:
    """One pinned file of a Maven repository."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """group:artifact:version[:classifier]"""
        parts = (self.group, self.artifact, self.version, self.classifier)
        return ":".join(part for part in parts if part)

    @property
    def file_name(self) -> str:
        """Unique among the jars of a lock, since groups may share artifact names."""
        return f"{self.coordinate.replace(':', '-')}.jar"


def locked_jars(lock_file: Path) -> list[Jar]:
    """The jars that a jgo lock file pins, in class-path order."""
    locked = tomllib.loads(lock_file.read_text(encoding="utf-8"))
    return [
        Jar(
            group=dependency["groupId"],
            artifact=dependency["artifactId"],
            version=dependency["version"],
            classifier=dependency.get("classifier", ""),
            sha256=dependency["sha256"],
        )
        for dependency in locked["dependencies"]
    ]


def fetch_jars(
    title: str, lock_file: Path, cache_dir: Path, repository: str | None, console: Console
) -> list[Path]:
    """The locked jars in class-path order, fetched into `cache_dir` unless they are there.

    The folder of a lock file appears whole or not at all: jars are fetched into a folder beside
    it and compared with their digests before it is renamed. Raises DevstackError that names the
    jar which could not be had.
    """
    jars = locked_jars(lock_file)
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest()[:16]
    folder = cache_dir / "jars" / f"{title.lower().replace(' ', '-')}-{digest}"
    if not _is_complete(folder, jars):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _one_fetch_at_a_time(folder.parent):
            if not _is_complete(folder, jars):  # another process may have fetched them meanwhile
                _fetch_into(folder, title, jars, repository, console)
    return [folder / jar.file_name for jar in jars]


def _is_complete(folder: Path, jars: list[Jar]) -> bool:
    return folder.is_dir() and all(
        (file := folder / jar.file_name).is_file() and _sha256(file) == jar.sha256 for jar in jars
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def _one_fetch_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(".fetching-*"):  # of a run that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _fetch_into(
    folder: Path, title: str, jars: list[Jar], repository: str | None, console: Console
) -> None:
    arriving = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder.parent))
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("jars"),
        TimeElapsedColumn(),
        console=console,
    )
    try:
        with progress, ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            task = progress.add_task(f"fetching {title} (about 60 MB, once)", total=len(jars))
            fetch = _fetcher(arriving, repository)
            try:
                for _ in pool.map(fetch, jars):
                    progress.advance(task)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        shutil.rmtree(arriving / "repository", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # one with a missing or damaged jar
        arriving.rename(folder)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)


def _fetcher(arriving: Path, repository: str | None) -> Callable[[Jar], None]:
    """A function that brings one jar into `arriving`, or raises DevstackError."""
    from jgo.maven import MavenContext  # slow to import, and needed only the first time

    context = MavenContext(
        repo_cache=arriving / "repository",
        remote_repos={"chosen": repository} if repository else None,
        timeout=_REQUEST_TIMEOUT_S,
    )

    def fetch(jar: Jar) -> None:
        artifact = (
            context.project(jar.group, jar.artifact)
            .at_version(jar.version)
            .artifact(jar.classifier)
        )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                downloaded = Path(artifact.resolve())
                _compare(jar, downloaded)
            except (OSError, RuntimeError, ValueError) as error:  # requests' errors are OSErrors
                if artifact.cached_path is not None:
                    artifact.cached_path.unlink(missing_ok=True)  # a part would pass for the whole
                if attempt == _ATTEMPTS:
                    raise DevstackError(_could_not_fetch(jar, error)) from error
                time.sleep(attempt * _PAUSE_S)
            else:
                downloaded.replace(arriving / jar.file_name)
                return

    return fetch


def _compare(jar: Jar, file: Path) -> None:
    found = _sha256(file)
    if found != jar.sha256:
        raise ValueError(f"its SHA-256 is {found}, the lock file says {jar.sha256}")


def _could_not_fetch(jar: Jar, error: Exception) -> str:
    return (
        f"could not fetch the package {jar.coordinate}: {error}\n"
        "Nothing was installed. Check the network (HTTPS_PROXY is honoured), or name a Maven "
        "repository you can reach by LEAKY_MAVEN_REPOSITORY, and start again."
    )


def class_path(jars: list[Path]) -> str:
    """The jars as Java's -cp argument."""
    return os.pathsep.join(str(jar) for jar in jars)
