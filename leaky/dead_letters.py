"""`leaky dead-letters`: the records that were not decided, and why."""

import base64
import json
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from leaky.parameters import SINCE
from leaky.partition_log import LogReader, Span, partitions_of, whole_spans
from leaky.settings import CommandLineSettings
from leaky.text import moment
from schemas.dead_letters import DeadLetter, DeadLetterHeader, DeadLetterReason, KeptBytes
from topics.registry import DEAD_LETTERS

_WIDE = 160


@dataclass(frozen=True, slots=True)
class BuriedRecord:
    """A dead letter, and where it stands in its own topic: the id that `show` takes."""

    partition: int
    offset: int
    letter: DeadLetter

    @property
    def id(self) -> str:
        """Partition and offset, as people type it."""
        return f"{self.partition}/{self.offset}"


@click.group("dead-letters")
def dead_letters_group() -> None:
    """List and show the records that were not decided."""


@dead_letters_group.command("list")
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in DeadLetterReason]),
    help="Those with this reason alone.",
)
@click.option("--since", type=SINCE, help="Those of the last 30m, 12h, 7d…")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_letters(reason: str | None, since: int | None, limit: int, as_json: bool) -> None:
    """List dead letters, newest first."""
    found = newest_letters(CommandLineSettings.load(), reason, since, limit)
    if as_json:
        for buried in found:
            click.echo(json.dumps({"id": buried.id, **json.loads(buried.letter.to_json())}))
        return
    table = Table("id", "time", "reason", "origin", "detail", box=None)
    for buried in found:
        letter = buried.letter
        table.add_row(
            buried.id, moment(letter.at_ms), letter.reason.value, _origin(letter), letter.detail
        )
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, _WIDE)
    console.print(table)
    console.print(f"{len(found)} dead letters{' (more may be there)' * (len(found) == limit)}")


@dead_letters_group.command("show")
@click.argument("letter_id", metavar="ID")
def show(letter_id: str) -> None:
    """Show one dead letter with what is kept of its record; ID is as `list` prints it."""
    partition, _, offset = letter_id.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise click.ClickException(
            f"expected an id such as 3/17, as list prints it; got {letter_id}"
        )
    settings = CommandLineSettings.load()
    topic = DEAD_LETTERS.name_on_broker(settings.topics_prefix)
    span = Span(topic, int(partition), int(offset), int(offset) + 1)
    held = _spans(settings, None).get(span.partition)
    inside = held is not None and held.begin <= span.begin < held.end
    buried = next(_letters(settings, [span]), None) if inside else None
    if buried is None:
        sys.exit(f"Error: there is no dead letter {letter_id}; it may have been kept long enough")
    click.echo(_described(buried))


def _spans(settings: CommandLineSettings, since_ms: int | None) -> dict[int, Span]:
    topic = DEAD_LETTERS.name_on_broker(settings.topics_prefix)
    return whole_spans(settings, topic, range(partitions_of(settings, topic)), since_ms)


def newest_letters(
    settings: CommandLineSettings, reason: str | None, since_ms: int | None, limit: int
) -> list[BuriedRecord]:
    """At most `limit` dead letters, the newest first; all reasons and times where None is given."""
    newest: list[BuriedRecord] = []
    for span in _spans(settings, since_ms).values():
        kept = deque(
            (
                buried
                for buried in _letters(settings, [span])
                if reason is None or buried.letter.reason == reason
            ),
            maxlen=limit,
        )
        newest += kept
    newest.sort(key=lambda buried: (buried.letter.at_ms, buried.offset), reverse=True)
    return newest[:limit]


def _letters(settings: CommandLineSettings, spans: list[Span]) -> Iterator[BuriedRecord]:
    with LogReader(settings) as reader:
        for span in spans:
            for message in reader.read(span):
                try:
                    letter = DeadLetter.model_validate_json(message.value() or b"")
                except ValidationError:
                    continue  # not written by this system
                yield BuriedRecord(span.partition, message.offset(), letter)


def _origin(letter: DeadLetter) -> str:
    origin = letter.origin
    member = "" if origin.index is None else f" command {origin.index}"
    return f"{origin.topic}[{origin.partition}] offset {origin.offset}{member}"


def _described(buried: BuriedRecord) -> str:
    letter = buried.letter
    lines = [
        f"dead letter {buried.id}: {letter.reason} at {moment(letter.at_ms)}",
        f"  detail: {letter.detail}",
        f"  origin: {_origin(letter)}",
        f"  key: {_kept(letter.key)}",
        *(f"  header {header.name}: {_header_value(header)}" for header in letter.headers),
        f"  value: {_kept(letter.value)}",
    ]
    return "\n".join(lines)


def _kept(kept: KeptBytes | None) -> str:
    if kept is None:
        return "none"
    raw = kept.kept()
    cut = f" … (the first {len(raw)} of {kept.size_bytes} bytes)" * (len(raw) < kept.size_bytes)
    return _readable(raw) + cut


def _header_value(header: DeadLetterHeader) -> str:
    if header.value_base64 is None:
        return "none"
    return _readable(base64.b64decode(header.value_base64))


def _readable(raw: bytes) -> str:
    """The bytes as text where they are printable, else as a Python literal."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return repr(raw)
    return text if text.isprintable() else repr(text)
