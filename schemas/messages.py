"""What is published as a schema: each document that travels, by name and version."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from schemas.commands import COMMAND_ADAPTER, AccountCommand, Command, PublishPolicy
from schemas.dead_letters import DeadLetter
from schemas.events import EVENT_ADAPTER
from schemas.policies import PolicyDocument
from schemas.replies import Reply


@dataclass(frozen=True, slots=True)
class WireDocument:
    """A versioned kind of JSON document; `adapter` parses one."""

    name: str
    version: int
    title: str
    adapter: TypeAdapter[Any]


_ONE_ACCOUNT_COMMAND = Annotated[AccountCommand, Field(discriminator="type")]
_COMMAND_RECORD = (
    Annotated[Command, Field(discriminator="type")]
    | Annotated[tuple[_ONE_ACCOUNT_COMMAND, ...], Field(min_length=1)]
)

DOCUMENTS: dict[str, WireDocument] = {
    document.name: document
    for document in (
        WireDocument(
            "accounts-command", 1, "A command to an account or partition", COMMAND_ADAPTER
        ),
        WireDocument(
            "accounts-command-record",
            1,
            "A commands record: one command, or an array of account commands",
            TypeAdapter(_COMMAND_RECORD),
        ),
        WireDocument("accounts-event", 1, "What was decided", EVENT_ADAPTER),
        WireDocument("reply", 1, "The answer to one command", TypeAdapter(Reply)),
        WireDocument("policy-document", 1, "A policy", TypeAdapter(PolicyDocument)),
        WireDocument("published-policy", 1, "A policy in its command", TypeAdapter(PublishPolicy)),
        WireDocument("dead-letter", 1, "A record that was not decided", TypeAdapter(DeadLetter)),
    )
}
