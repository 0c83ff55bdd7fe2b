"""From a record's bytes to the commands in it; what is no command becomes a rejection.

A bad member of an array is rejected alone: the members beside it are decided as if it were not
there. The reason and the detail say what was expected and what came.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import pydantic_core
from pydantic import ValidationError

from schemas.base import REPLY_TO_PATTERN
from schemas.commands import COMMAND_ADAPTER, Command, PublishPolicy, Tick
from schemas.dead_letters import MAX_DETAIL_CHARACTERS, DeadLetterReason
from topics.registry import MAX_COMMANDS_RECORD_BYTES

_COMMAND_TYPES = frozenset(
    {
        "consume",
        "reserve",
        "settle",
        "void",
        "query",
        "allocate",
        "revoke",
        "set-tier",
        "set-status",
        "set-limits",
        "policy",
        "tick",
    }
)
_REPLY_TO = re.compile(REPLY_TO_PATTERN)
_COMMAND_ID = re.compile(r"[\x21-\x7e]{1,200}")
_MAX_NAMED_ERRORS = 3
_split_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Parsed(NamedTuple):
    """A command, and the bytes it was parsed from; `place` is its place in the record."""

    place: int
    command: Command
    raw: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was no command. `place` None: the record as a whole."""

    place: int | None
    reason: DeadLetterReason
    detail: str
    raw: bytes

    def sender(self) -> tuple[str, str | None] | None:
        """(reply address, command id) if the sender can still be told; None if not."""
        try:
            fields = pydantic_core.from_json(self.raw.decode(errors="replace"))
        except ValueError:
            return None
        if not isinstance(fields, dict):
            return None
        reply_to, command_id = fields.get("replyTo"), fields.get("commandId")
        if not isinstance(reply_to, str) or not _REPLY_TO.fullmatch(reply_to):
            return None
        usable = isinstance(command_id, str) and _COMMAND_ID.fullmatch(command_id)
        return reply_to, command_id if usable else None


def decode_record(value: bytes | None) -> Iterator[Parsed | Rejected]:
    """The commands of one record, in order."""
    if value is None:
        yield Rejected(None, DeadLetterReason.MALFORMED, "expected a JSON value, got none", b"")
    elif len(value) > MAX_COMMANDS_RECORD_BYTES:
        detail = (
            f"expected at most {MAX_COMMANDS_RECORD_BYTES} bytes in a commands record, "
            f"got {len(value)}"
        )
        yield Rejected(None, DeadLetterReason.OVERSIZED, detail, value)
    elif value[:64].lstrip()[:1] == b"[":
        yield from _decode_array(value)
    else:
        yield _decode_one(0, value, alone=True)


def _decode_array(value: bytes) -> Iterator[Parsed | Rejected]:
    try:
        # Its bound on nesting is fixed; the splitting decoder's is the depth of Python's stack.
        # Without infinities and NaN, which the splitting decoder does not know either.
        pydantic_core.from_json(value, allow_inf_nan=False)
    except ValueError as error:
        yield Rejected(None, *_not_json(value, error), value)
        return
    members = _split_array(value)
    if not members:
        detail = "expected at least one command in an array, got none"
        yield Rejected(None, DeadLetterReason.MALFORMED, detail, value)
    for place, member in enumerate(members):
        yield _decode_one(place, bytes(member), alone=False)


def _decode_one(place: int, raw: bytes, *, alone: bool) -> Parsed | Rejected:
    try:
        command = COMMAND_ADAPTER.validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        return Rejected(None if alone else place, *_why_not(raw, error), raw)
    if not alone and isinstance(command, PublishPolicy | Tick):
        detail = f"a {command.type} command is for a partition and never rides in an array"
        return Rejected(place, DeadLetterReason.MISPLACED_COMMAND, detail, raw)
    return Parsed(place, command, raw)


def _why_not(raw: bytes, error: ValidationError) -> tuple[DeadLetterReason, str]:
    try:
        fields: Any = pydantic_core.from_json(raw)
    except ValueError as json_error:
        return _not_json(raw, json_error)
    if not isinstance(fields, dict):
        return DeadLetterReason.MALFORMED, "expected a JSON object with type and version"
    kind, version = fields.get("type"), fields.get("version", 1)
    if isinstance(kind, str) and kind not in _COMMAND_TYPES:
        known = ", ".join(sorted(_COMMAND_TYPES))
        return DeadLetterReason.UNKNOWN_TYPE, f"expected a type of {known}; got {kind[:100]!r}"
    if isinstance(version, int) and version != 1:
        return DeadLetterReason.UNKNOWN_VERSION, f"expected version 1, got {str(version)[:100]}"
    return DeadLetterReason.MALFORMED, describe(error)


def _not_json(raw: bytes, error: ValueError) -> tuple[DeadLetterReason, str]:
    try:
        raw.decode()
    except UnicodeDecodeError as unicode_error:
        return DeadLetterReason.NOT_UTF8, f"expected UTF-8: {unicode_error}"
    return DeadLetterReason.MALFORMED, f"expected JSON: {error}"


def describe(error: ValidationError) -> str:
    """What is wrong with a command, field by field, without repeating what it said."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    named = [
        f"{'.'.join(str(part) for part in problem['loc'][1:]) or 'command'}: {problem['msg']}"
        for problem in problems[:_MAX_NAMED_ERRORS]
    ]
    more = len(problems) - len(named)
    told = "; ".join(named) + (f"; and {more} more" if more else "")
    # A place in a command may be a key that its sender chose, of any length.
    return told[:MAX_DETAIL_CHARACTERS]
