"""Settings: one typed model a process, read once from LEAKY_… variables, documented by itself."""

import re
import sys
import types
from pathlib import Path
from typing import Literal, Self, get_args, get_origin

from pydantic import Field, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "LEAKY_"

EXIT_NEEDS_A_PERSON = 78
"""Exit code (EX_CONFIG of sysexits.h) that a supervisor must not answer with a restart."""

UNITS = frozenset(
    {"ms", "milliseconds", "s", "second", "seconds", "minute", "minutes", "hour", "hours"}
    | {"day", "days", "bytes", "kib", "mib", "gib", "tokens", "millitokens", "requests", "calls"}
    | {"number", "port", "percent", "share", "ratio", "attempts", "factor"}
)

_TYPE_NAMES: dict[object, str] = {
    SecretStr: "secret",
    SecretBytes: "secret",
    str: "text",
    Path: "path",
}


class UndocumentedSettingError(TypeError):
    """A setting without a description, or a number without a unit: a mistake in our own code."""


class ServiceSettings(BaseSettings):
    """Base of every process's settings; subclasses add fields as
    `Field(default=…, description=…)`.

    A field `postgres_dsn` is read from `LEAKY_POSTGRES_DSN`. Every field needs a description, and
    every number a unit as a word of its name or description (see `UNITS`).
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe level that is written to the log."
    )
    data_dir: Path = Field(
        default=Path(".leaky"),
        description="Folder for what a development machine keeps: state, generated keys.",
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            _require_documentation(cls.__name__, name, field)

    @classmethod
    def load(cls) -> Self:
        """Read the environment, or say what is wrong on stderr and exit with code 78."""
        try:
            return cls()
        except ValidationError as error:
            sys.stderr.write(describe_errors(cls, error))
            raise SystemExit(EXIT_NEEDS_A_PERSON) from None


def environment_name(field_name: str) -> str:
    """The variable a field is read from: `auth_port` is `LEAKY_AUTH_PORT`."""
    return ENV_PREFIX + field_name.upper()


def describe_errors(model: type[ServiceSettings], error: ValidationError) -> str:
    """One line per wrong variable: its name, what was expected, what came (never a secret)."""
    lines = ["The settings are not usable:"]
    for item in error.errors(include_url=False):
        field_name = str(item["loc"][0]) if item["loc"] else ""
        field = model.model_fields.get(field_name)
        expected = item["msg"][:1].lower() + item["msg"][1:]
        if field is None:
            lines.append(f"  {expected}")
            continue
        came = _shown_input(field, item)
        lines.append(f"  {environment_name(field_name)}: {expected}; {came}. {field.description}")
    return "\n".join([*lines, "Correct the environment and start again.", ""])


def settings_table(*models: type[BaseSettings]) -> str:
    """A Markdown table of the models' variables: variable, type, default, meaning.

    A variable that several of them have is in it once, as the first model has it.
    """
    rows = ["| Variable | Type | Default | Meaning |", "|---|---|---|---|"]
    fields: dict[str, FieldInfo] = {}
    for model in models:
        fields |= {n: f for n, f in model.model_fields.items() if n not in fields}
    for name, field in fields.items():
        meaning = str(field.description).replace("|", "\\|")
        rows.append(
            f"| `{environment_name(name)}` | {_type_name(field.annotation)}{_bounds(field)} "
            f"| {_default_text(field)} | {meaning} |"
        )
    return "\n".join([*rows, ""])


def _require_documentation(owner: str, name: str, field: FieldInfo) -> None:
    if not field.description:
        raise UndocumentedSettingError(f"{owner}.{name} needs a description")
    if {int, float} & set(_leaf_types(field.annotation)):
        words = set(re.findall(r"[a-z]+", f"{name} {field.description}".lower()))
        if not words & UNITS:
            raise UndocumentedSettingError(
                f"{owner}.{name} is a number: its name or description must name its unit"
            )


def _leaf_types(annotation: object) -> list[object]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal or not arguments:
        return [annotation]
    return [leaf for argument in arguments for leaf in _leaf_types(argument)]


def _is_secret(field: FieldInfo) -> bool:
    return bool({SecretStr, SecretBytes} & set(_leaf_types(field.annotation)))


def _shown_input(field: FieldInfo, item: ErrorDetails) -> str:
    if item["type"] == "missing":
        return "nothing came"
    if _is_secret(field):
        return "what came is a secret and not shown"
    return f"{item['input']!r} came"


def _type_name(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if annotation is types.NoneType:
        return "nothing"
    if origin is None:
        return _TYPE_NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))
    inner = [_type_name(argument) for argument in arguments]
    if origin in (list, tuple, set, frozenset):
        return f"JSON list of {inner[0]}"
    return " or ".join(inner)


def _bounds(field: FieldInfo) -> str:
    """What a number may be, as far as it is bounded: pydantic keeps each bound as metadata."""
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    bounds = [
        f" {sign} {getattr(item, bound)}"
        for item in field.metadata
        for bound, sign in signs
        if hasattr(item, bound)
    ]
    return ",".join(bounds)


def _default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return "none"
    if _is_secret(field):
        return "set"
    if isinstance(default, Path) and default.is_relative_to(Path.home()):
        return f"`~/{default.relative_to(Path.home())}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if str(default) else "empty"


class HttpServiceSettings(ServiceSettings):
    """Settings of every process that serves HTTP routes."""

    bind_host: str = Field(
        default="127.0.0.1",
        description="Address the HTTP services listen on; 0.0.0.0 for every interface.",
    )
    access_log: bool = Field(default=False, description="Whether every request gets a log line.")
