"""`leaky produce`: commands from a file onto the log."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import click

from leaky.asking import DEFAULT_TIMEOUT_S, Asker
from leaky.failures import ExpectedFailureError
from leaky.settings import CommandLineSettings
from schemas.commands import PublishPolicy, Tick
from topics.partitioning import partition_of_account


class NotACommandError(ExpectedFailureError):
    """A line of the input is nothing that the accounts pipeline would decide."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    value: bytes


@click.command("produce")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--wait", is_flag=True, help="Ask for replies and print each as a line of JSON.")
@click.option("--unchecked", is_flag=True, help="Send the lines as they are, commands or not.")
@click.option("--partition", type=click.IntRange(min=0), help="Send every record there.")
@click.option("--timeout", "timeout_s", default=DEFAULT_TIMEOUT_S, show_default=True, type=float)
def produce_command(
    file: BinaryIO, wait: bool, unchecked: bool, partition: int | None, timeout_s: float
) -> None:
    """Send the commands in FILE (stdin if none): a JSON object, or an array of them, a line.

    Each goes to the partition of its account; an array's accounts must share one. A line that is
    no command stops it, unless --unchecked. Privileged commands must be signed already.
    """
    sent = 0
    with Asker(CommandLineSettings.load()) as asker:
        try:
            for line in _lines(file):
                _send(asker, line, wait=wait, unchecked=unchecked, partition=partition)
                sent += 1
        finally:
            asker.flush()
            click.echo(f"{sent} records sent", err=True)
        for _, reply in asker.replies(timeout_s):
            click.echo(reply.to_json())
            sys.stdout.flush()


def _lines(file: Iterable[bytes]) -> Iterator[_Line]:
    for number, line in enumerate(file, start=1):
        value = line.strip()
        if value:
            yield _Line(number, value)


def _send(asker: Asker, line: _Line, *, wait: bool, unchecked: bool, partition: int | None) -> None:
    if not unchecked:
        _require_commands(asker, line, partition)
    try:
        parsed = json.loads(line.value)
    except ValueError:
        asker.send(line.value, None, partition=partition)
        return
    members = parsed if isinstance(parsed, list) else [parsed]
    accounts = (each.get("account") for each in members if isinstance(each, dict))
    account = next((each for each in accounts if isinstance(each, str)), None)
    asking = [_asking(each, asker.reply_to) for each in members] if wait else members
    answers = sum(asks is not member for asks, member in zip(asking, members, strict=True))
    value = line.value
    if answers:
        rewritten = asking if isinstance(parsed, list) else asking[0]
        value = json.dumps(rewritten, ensure_ascii=False).encode()
    asker.send(value, account, answers=answers, partition=partition)


def _require_commands(asker: Asker, line: _Line, partition: int | None) -> None:
    """Check a line by the very code that will take the record apart."""
    from pipelines.accounts.decoding import Rejected, decode_record  # brings the pipeline with it

    places: set[int] = set()
    for item in decode_record(line.value):
        if isinstance(item, Rejected):
            raise NotACommandError(
                f"line {line.number} is not sent: {item.detail} (--unchecked sends it anyway)"
            )
        command = item.command
        if isinstance(command, PublishPolicy | Tick):
            if partition is None:
                raise NotACommandError(
                    f"line {line.number}: a {command.type} command is for one partition; give "
                    "--partition (policies are published by `leaky policy publish`)"
                )
            continue
        places.add(partition_of_account(command.account, asker.partitions))
    if len(places) > 1 or (partition is not None and places - {partition}):
        raise NotACommandError(
            f"line {line.number} is not sent: its accounts belong to partitions "
            f"{', '.join(map(str, sorted(places)))}; expected one and the same"
        )


def _asking(member: object, reply_to: str) -> object:
    """The command with our reply address; the member itself where that cannot be added.

    A signature is over the reply address too, and a tick is never answered.
    """
    if not isinstance(member, dict) or member.get("type") == "tick":
        return member
    if "replyTo" in member or "signature" in member:
        return member
    return {**member, "replyTo": reply_to}
