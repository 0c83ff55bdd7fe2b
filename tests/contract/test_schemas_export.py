"""The exported JSON Schemas are current, complete and valid schemas themselves."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.export import export_file_name, json_schema, rendered
from schemas.messages import DOCUMENTS, WireDocument

_EXPORTED = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=lambda document: document.name)
def test_the_checked_in_schema_is_current(document: WireDocument) -> None:
    checked_in = (_EXPORTED / export_file_name(document)).read_text(encoding="utf-8")

    assert checked_in == rendered(document), "run python -m schemas.export"


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=lambda document: document.name)
def test_the_schema_is_a_schema(document: WireDocument) -> None:
    Draft202012Validator.check_schema(json_schema(document))


def test_no_schema_of_a_document_that_is_gone_is_left() -> None:
    assert {file.name for file in _EXPORTED.iterdir()} == {
        export_file_name(document) for document in DOCUMENTS.values()
    }
