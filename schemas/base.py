"""The base of every message, and the field types that messages share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MAX_TOKENS = 10**12
"""Upper bound of a token amount in one message (a trillion), so that sums stay in 64 bits."""

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

AccountId = Annotated[str, StringConstraints(pattern=f"^(user|org):{UUID_PATTERN}$")]
"""The party that pays: `user:<uuid>` or `org:<uuid>`, lower-case."""

CommandId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
"""1 to 200 printable ASCII characters without spaces; the same command has the same id."""

REPLY_TO_PATTERN = r"^replies/[0-9]{1,5}$"
ReplyTo = Annotated[str, StringConstraints(pattern=REPLY_TO_PATTERN)]
"""Where the reply goes: `replies/<partition>`, and nowhere else."""

ProviderName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", to_lower=True)
]
"""A provider's name; matched without regard to case, kept in lower case."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""A name chosen by people: of a tier, a limit, a policy, an issuer's key."""

Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]
PositiveTokens = Annotated[int, Field(gt=0, le=MAX_TOKENS)]
EpochMs = Annotated[int, Field(ge=0, le=2**53)]
DurationMs = Annotated[int, Field(ge=0, le=2**53)]


class Message(BaseModel):
    """An immutable object on a wire: strict types, camelCase names, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        strict=True,
    )

    def to_json(self) -> bytes:
        """The message's bytes: UTF-8 JSON in field order, without absent (null) fields."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)
