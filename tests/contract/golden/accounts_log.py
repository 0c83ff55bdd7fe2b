"""The golden log: records of accounts.commands, each with what it caused when it was written.

`accounts-log-v1.jsonl.gz` has one JSON object a line and record: partition, offset, atMs and value
as consumed; `events` and `replies`, how many; `sha256` of all of them, joined by line feeds. The
first `FULL_RECORDS` also carry them in full. Dead letters are left out: what they say may change.

`python -m tests.contract.golden.accounts_log PATH` writes a new log, where none is yet.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipelines.accounts.processor import AccountsProcessor
from pipelines.runtime.position import run_record
from pipelines.runtime.processor import Record
from state.store import MemoryStore, PartitionStores
from tests.contract.golden.accounts_log_commands import (
    COMMANDS,
    PARTITIONS,
    SEED,
    TOPIC,
    Author,
)

PATH = Path(__file__).parent / "accounts-log-v1.jsonl.gz"
FULL_RECORDS = 200


@dataclass(frozen=True)
class Caused:
    """The bytes that a record caused, in order."""

    events: list[bytes]
    replies: list[bytes]

    def digest(self) -> str:
        return sha256(b"\n".join([*self.events, *self.replies])).hexdigest()


@dataclass(frozen=True)
class GoldenRecord:
    """A record of the log, and what is on file of what it caused."""

    record: Record
    events: int
    replies: int
    sha256: str
    full: Caused | None


class Replay:
    """Applies records to partitions that begin empty."""

    def __init__(self) -> None:
        self._processor = AccountsProcessor(PARTITIONS)
        self._stores: dict[int, PartitionStores] = {}

    def apply(self, record: Record) -> Caused:
        stores = self._stores.setdefault(
            record.partition, PartitionStores(MemoryStore(), MemoryStore())
        )
        outputs = run_record(self._processor, record, stores)
        if outputs is None:
            raise AssertionError(f"the log has {record.partition}/{record.offset} twice")
        events = [each.value for each in outputs.transactional if each.topic == "accounts.events"]
        return Caused(events, [each.value for each in outputs.prompt])


def read_log(path: Path = PATH) -> Iterator[GoldenRecord]:
    """The log's records, in order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            kept = json.loads(line)
            full = None
            if "full" in kept:
                texts = kept["full"]
                full = Caused(
                    [text.encode() for text in texts["events"]],
                    [text.encode() for text in texts["replies"]],
                )
            value = kept["value"].encode()
            yield GoldenRecord(
                Record(TOPIC, kept["partition"], kept["offset"], kept["atMs"], None, value),
                kept["events"],
                kept["replies"],
                kept["sha256"],
                full,
            )


def write_log(path: Path) -> None:
    """Write the seeded log with what the rules of today decide; refuses to replace a file."""
    replay = Replay()
    with path.open("xb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as lines:
        for place, record in enumerate(Author(SEED).records(COMMANDS)):
            caused = replay.apply(record)
            kept = {
                "partition": record.partition,
                "offset": record.offset,
                "atMs": record.timestamp_ms,
                "value": (record.value or b"").decode(),
                "events": len(caused.events),
                "replies": len(caused.replies),
                "sha256": caused.digest(),
            }
            if place < FULL_RECORDS:
                kept["full"] = {
                    "events": [event.decode() for event in caused.events],
                    "replies": [reply.decode() for reply in caused.replies],
                }
            lines.write(json.dumps(kept, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    write_log(Path(sys.argv[1]))
