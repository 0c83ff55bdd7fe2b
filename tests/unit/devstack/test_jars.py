"""Jars: all that the lock pins, with its digests, or none."""

import hashlib
import io
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from devstack.jars import fetch_jars, locked_jars
from devstack.ports import LOOPBACK
from devstack.server import DevstackError

_KAFKA_LOCK = Path("devstack/jars/kafka/jgo.lock.toml")


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has
        del format, args


class Repository:
    """A Maven repository on this machine, and a lock that pins jars of it."""

    def __init__(self, folder: Path) -> None:
        self._files = folder / "repository"
        self._files.mkdir()
        self.cache = folder / "cache"
        self._lock = folder / "jgo.lock.toml"
        handler = partial(_Silent, directory=str(self._files))
        self._server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def publish(self, artifact: str, content: bytes) -> None:
        folder = self._files / "org" / "example" / artifact / "1.0"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{artifact}-1.0.jar").write_bytes(content)

    def pin(self, **jars: bytes) -> None:
        self._lock.write_text(
            "".join(
                f'[[dependencies]]\ngroupId = "org.example"\nartifactId = "{artifact}"\n'
                f'version = "1.0"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
                for artifact, content in jars.items()
            )
        )

    def fetch(self) -> list[Path]:
        url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        return fetch_jars("Example", self._lock, self.cache, url, Console(file=io.StringIO()))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setattr("devstack.jars._PAUSE_S", 0.0)
    opened = Repository(tmp_path)
    yield opened
    opened.close()


def test_every_locked_jar_of_kafka_has_a_digest_and_a_name_of_its_own() -> None:
    jars = locked_jars(_KAFKA_LOCK)
    assert len({jar.file_name for jar in jars}) == len(jars) > 50
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_the_lock_of_kafka_holds_no_address() -> None:
    assert "://" not in _KAFKA_LOCK.read_text()


def test_jars_are_fetched_once_and_in_class_path_order(repository: Repository) -> None:
    repository.publish("first", b"1")
    repository.publish("second", b"2")
    repository.pin(first=b"1", second=b"2")
    jars = repository.fetch()
    assert [jar.read_bytes() for jar in jars] == [b"1", b"2"]
    repository.publish("first", b"changed")
    assert repository.fetch() == jars
    assert jars[0].read_bytes() == b"1"


def test_a_missing_jar_is_named_and_nothing_is_installed(repository: Repository) -> None:
    repository.publish("first", b"1")
    repository.pin(first=b"1", second=b"2")
    with pytest.raises(
        DevstackError, match=r"could not fetch the package org\.example:second:1\.0"
    ):
        repository.fetch()
    assert _left_in(repository.cache) == []


def test_a_jar_with_another_digest_is_refused(repository: Repository) -> None:
    repository.publish("first", b"something else")
    repository.pin(first=b"1")
    with pytest.raises(DevstackError, match=r"org\.example:first:1\.0: its SHA-256 is"):
        repository.fetch()
    assert _left_in(repository.cache) == []


def test_a_damaged_jar_is_fetched_again(repository: Repository) -> None:
    repository.publish("first", b"1")
    repository.pin(first=b"1")
    (jar,) = repository.fetch()
    jar.write_bytes(b"cut sho")
    assert repository.fetch() == [jar]
    assert jar.read_bytes() == b"1"


def test_what_a_killed_fetch_left_is_removed(repository: Repository) -> None:
    leftover = repository.cache / "jars" / ".fetching-abc"
    leftover.mkdir(parents=True)
    repository.publish("first", b"1")
    repository.pin(first=b"1")
    repository.fetch()
    assert not leftover.exists()


def _left_in(cache: Path) -> list[str]:
    return [path.name for path in (cache / "jars").iterdir() if path.name != ".lock"]
