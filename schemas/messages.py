"""What is published as a schema: each document that travels, by name and version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, TypeAdapter

from schemas.commands import COMMAND_ADAPTER, AccountCommand, Command, PublishPolicy
from schemas.dead_letters import DeadLetter
from schemas.events import EVENT_ADAPTER, Event
from schemas.policies import PolicyDocument
from schemas.replies import Reply

_AccountCommandByType = Annotated[AccountCommand, Field(discriminator="type")]
_CommandArray = Annotated[tuple[_AccountCommandByType, ...], Field(min_length=1)]
_CommandRecord = Annotated[Command, Field(discriminator="type")] | _CommandArray


@dataclass(frozen=True, slots=True)
class WireDocument:
    """A versioned kind of JSON document; `adapter` parses one.

    `messages` are the kinds of message it may be, each with the type that describes it alone.
    """

    name: str
    version: int
    title: str
    adapter: TypeAdapter[Any]
    messages: Mapping[str, Any]


def _by_type_tag(union: Any) -> dict[str, type[BaseModel]]:  # noqa: ANN401 - typing has no name for a union
    return {model.model_fields["type"].default: model for model in get_args(union)}


_COMMANDS = _by_type_tag(Command)

DOCUMENTS: dict[str, WireDocument] = {
    document.name: document
    for document in (
        WireDocument(
            "accounts-command",
            1,
            "A command to an account or a partition",
            COMMAND_ADAPTER,
            _COMMANDS,
        ),
        WireDocument(
            "accounts-command-record",
            1,
            "A commands record: one command, or an array of account commands",
            TypeAdapter(_CommandRecord),
            {**_COMMANDS, "command-array": _CommandArray},
        ),
        WireDocument("accounts-event", 1, "What was decided", EVENT_ADAPTER, _by_type_tag(Event)),
        WireDocument("reply", 1, "The answer to one command", TypeAdapter(Reply), {"reply": Reply}),
        WireDocument(
            "policy-document",
            1,
            "A policy",
            TypeAdapter(PolicyDocument),
            {"policy-document": PolicyDocument},
        ),
        WireDocument(
            "published-policy",
            1,
            "A policy in the command that publishes it",
            TypeAdapter(PublishPolicy),
            {"policy": PublishPolicy},
        ),
        WireDocument(
            "dead-letter",
            1,
            "A record that was not decided",
            TypeAdapter(DeadLetter),
            {"dead-letter": DeadLetter},
        ),
    )
}
"""Every document, by name."""
