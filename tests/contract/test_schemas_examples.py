"""Golden examples: every message version has some that are taken and some that are refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

import schemas
from schemas.export import json_schema
from schemas.messages import DOCUMENTS, WireDocument

_EXAMPLES = Path(schemas.__file__).parent / "examples"

# A message's example is parsed as the document it travels in; the first that lists it.
_DOCUMENT_OF = {
    message: document for document in reversed(DOCUMENTS.values()) for message in document.messages
}


@dataclass(frozen=True)
class Example:
    """A file, and the document that it is an example of."""

    file: Path
    document: WireDocument

    def __str__(self) -> str:
        return "/".join(self.file.relative_to(_EXAMPLES).with_suffix("").parts)


def _examples(kind: str) -> list[Example]:
    return [
        Example(file, _DOCUMENT_OF[file.relative_to(_EXAMPLES).parts[0]])
        for file in sorted(_EXAMPLES.glob(f"*/v*/{kind}/*.json"))
        if not file.name.endswith(".error.json")
    ]


_VALID = _examples("valid")
_REFUSED = _examples("refused")


@pytest.mark.parametrize("example", _VALID, ids=str)
def test_a_valid_example_is_taken_and_comes_back_the_same(example: Example) -> None:
    parsed = example.document.adapter.validate_json(example.file.read_bytes())
    written = (
        example.document.adapter.dump_json(parsed, by_alias=True)
        if isinstance(parsed, tuple)
        else parsed.to_json()
    )

    assert example.document.adapter.validate_json(written) == parsed


@pytest.mark.parametrize("example", _VALID, ids=str)
def test_a_valid_example_loses_nothing_that_has_a_meaning(example: Example) -> None:
    came = json.loads(example.file.read_bytes())
    parsed = example.document.adapter.validate_json(example.file.read_bytes())
    written = json.loads(
        example.document.adapter.dump_json(parsed, by_alias=True, exclude_unset=True)
    )

    if "unknown-field" in example.file.stem:
        came.pop("colour")
    if example.file.stem == "provider-in-capitals":
        came["provider"] = came["provider"].lower()
    assert written == came


@pytest.mark.parametrize("example", _REFUSED, ids=str)
def test_a_refused_example_is_refused_for_the_reason_it_gives(example: Example) -> None:
    expected = json.loads(example.file.with_suffix(".error.json").read_bytes())

    with pytest.raises(ValidationError) as refusal:
        example.document.adapter.validate_json(example.file.read_bytes())

    found = [
        (_place(error["loc"]), error["msg"]) for error in refusal.value.errors(include_url=False)
    ]
    assert any(
        place == expected["where"] and message.startswith(expected["error"])
        for place, message in found
    ), found


@pytest.mark.parametrize("example", _VALID, ids=str)
def test_the_exported_schema_takes_a_valid_example(example: Example) -> None:
    validator = Draft202012Validator(json_schema(example.document))

    validator.validate(json.loads(example.file.read_bytes()))


@pytest.mark.parametrize("example", _REFUSED, ids=str)
def test_the_exported_schema_refuses_what_a_schema_can_tell(example: Example) -> None:
    expected = json.loads(example.file.with_suffix(".error.json").read_bytes())
    validator = Draft202012Validator(json_schema(example.document))

    takes = validator.is_valid(json.loads(example.file.read_bytes()))

    assert takes == (expected["jsonSchema"] == "cannot tell")


def test_every_message_has_examples_and_every_example_a_message() -> None:
    versions = {
        (message, f"v{document.version}")
        for document in DOCUMENTS.values()
        for message in document.messages
    }
    for kind in ("valid", "refused"):
        folders = {
            (folder.parent.parent.name, folder.parent.name)
            for folder in _EXAMPLES.glob(f"*/*/{kind}")
            if any(folder.iterdir())
        }
        assert folders == versions


def test_the_folder_of_examples_holds_nothing_else() -> None:
    known = {example.file for example in (*_VALID, *_REFUSED)}
    known |= {example.file.with_suffix(".error.json") for example in _REFUSED}

    assert {path for path in _EXAMPLES.rglob("*") if path.is_file()} == known


def _place(location: tuple[str | int, ...]) -> str:
    """The path to an error without the parser's names of the types on the way."""
    return ".".join(str(part) for part in location if not str(part).startswith("tuple["))
