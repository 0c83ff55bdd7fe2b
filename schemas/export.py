"""JSON Schema (draft 2020-12) of every document; `python -m schemas.export` writes docs/schemas."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.messages import DOCUMENTS, WireDocument

JsonSchema = dict[str, Any]


def json_schema(document: WireDocument) -> JsonSchema:
    """The schema of one document, complete in itself.

    It says what can be said of one value at a time; what a parser checks beyond it (a policy's
    references, for example) is told by the golden examples.
    """
    schema = document.adapter.json_schema(mode="validation")
    require_type_tags(schema, schema.get("$defs", {}))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:leaky-tokens:{document.name}:v{document.version}",
        **schema,
        "title": document.title,
    }


def require_type_tags(schema: object, definitions: JsonSchema) -> None:
    """Have every member of a tagged union require its tag, as the parser does.

    The models give tags a default, for those who construct them; by that alone they would be
    optional in the schema.
    """
    for union in _tagged_unions(schema):
        tag = union["discriminator"]["propertyName"]
        for reference in union["discriminator"]["mapping"].values():
            member = definitions[reference.rsplit("/", 1)[-1]]
            if tag not in member.setdefault("required", []):
                member["required"].insert(0, tag)


def export_file_name(document: WireDocument) -> str:
    """The file of a document below docs/schemas."""
    return f"{document.name}.v{document.version}.json"


def export_schemas(folder: Path) -> list[Path]:
    """Write every document's schema into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for document in DOCUMENTS.values():
        file = folder / export_file_name(document)
        file.write_text(rendered(document), encoding="utf-8")
        files.append(file)
    return files


def rendered(document: WireDocument) -> str:
    """The text of a document's file."""
    return json.dumps(json_schema(document), indent=2, ensure_ascii=False) + "\n"


def _tagged_unions(node: object) -> Iterator[JsonSchema]:
    if isinstance(node, dict):
        if "discriminator" in node:
            yield node
        for child in node.values():
            yield from _tagged_unions(child)
    elif isinstance(node, list):
        for child in node:
            yield from _tagged_unions(child)


if __name__ == "__main__":
    for written in export_schemas(Path(__file__).parent.parent / "docs" / "schemas"):
        sys.stdout.write(f"{written}\n")
