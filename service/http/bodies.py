"""The base of JSON bodies, and how an instant is written."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """A JSON object: camelCase names on the wire, unknown fields ignored, nulls written."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )


def instant_text(instant: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`; the instant must know its time zone."""
    if instant.tzinfo is None:
        raise ValueError(f"expected an instant with a time zone, got {instant!r}")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
