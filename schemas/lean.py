"""Structs in the place of models, for programs that write a message at every turn.

A model validates what it is built from; where our own rules have computed every value, that costs
more than the rules do (measured in ADR 0016). `lean` derives from a model a msgspec struct with
the same fields, names and methods, whose JSON is the model's to the byte: absent (null) fields are
left out, all others are written in the model's order. Type checkers see the model.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from schemas.base import Message

M = TypeVar("M", bound=Message)

_TAGS = ("type", "kind")
"""The fields that tell the members of a union apart, where they have a fixed value."""

_encode = msgspec.json.Encoder().encode


@cache
def lean(model: type[M]) -> type[M]:
    """The struct of a model: built without validation, immutable, equal by value."""
    tag_field = next((name for name in _TAGS if _is_tag(model, name)), None)
    tag = None if tag_field is None else model.model_fields[tag_field].default
    fields = [_field(name, info) for name, info in model.model_fields.items() if name != tag_field]
    struct = msgspec.defstruct(
        model.__name__,
        fields,
        kw_only=True,
        frozen=True,
        rename=to_camel,
        omit_defaults=True,
        tag_field=tag_field,
        tag=tag,
        dict=True,
        namespace={
            **_methods(model),
            **({tag_field: tag} if tag_field else {}),
            "to_json": _to_json,
        },
        module=model.__module__,
    )
    return cast("type[M]", struct)


def lean_of(message: M) -> M:
    """The struct with a model's values, which hold no further models."""
    struct: Any = lean(type(message))
    return cast("M", struct(**{name: getattr(message, name) for name in struct.__struct_fields__}))


def _is_tag(model: type[Message], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and isinstance(field.default, str)


def _to_json(message: object) -> bytes:
    return _encode(message)


def decoder(models: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - a union of models is no type
    """Reads the JSON of lean messages: of one model, or of a union of models told by their type."""
    return msgspec.json.Decoder(_lean_type(models)).decode


def _field(name: str, info: FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    annotation = _lean_type(info.annotation)
    if info.is_required():
        return name, annotation
    default = info.get_default(call_default_factory=True)
    # Only what equals a plain default is left out, and of those only None may be.
    given = None if default is None else msgspec.field(default_factory=lambda: default)
    return name, annotation, given


def _methods(model: type[Message]) -> dict[str, Any]:
    return {
        name: member
        for owner in reversed(model.__mro__)
        if issubclass(owner, Message) and owner is not Message
        for name, member in vars(owner).items()
        if isinstance(member, FunctionType | property) and not name.startswith("_")
    }


def _lean_type(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    """The annotation with structs for models; constraints are the model's business."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _lean_type(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return Union[tuple(_lean_type(member) for member in get_args(annotation))]  # noqa: UP007 - made from a tuple
    if origin is Literal:
        return str if isinstance(get_args(annotation)[0], str) else int
    if origin is dict:
        return dict[str, _lean_type(get_args(annotation)[1])]  # type: ignore[misc] # computed
    if origin is tuple:
        return tuple[_lean_type(get_args(annotation)[0]), ...]  # type: ignore[misc] # computed
    if annotation is NoneType or not isinstance(annotation, type):
        return annotation
    return lean(annotation) if issubclass(annotation, Message) else annotation
