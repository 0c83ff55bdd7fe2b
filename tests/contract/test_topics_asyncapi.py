"""The AsyncAPI document is current, and is what AsyncAPI 3.0 asks for."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from topics.asyncapi import asyncapi_document, rendered
from topics.registry import TOPICS

_CHECKED_IN = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
_COMPONENT_KEY = re.compile(r"[a-zA-Z0-9._-]+")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document()


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _resolved(document: dict[str, Any], reference: str) -> dict[str, Any]:
    assert reference.startswith("#/"), f"{reference} points out of the document"
    node = document
    for step in reference[2:].split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def test_the_checked_in_document_is_current() -> None:
    current = _CHECKED_IN.read_text(encoding="utf-8")

    assert current == rendered(), "run python -m topics asyncapi > docs/asyncapi.yaml"


def test_the_yaml_says_what_the_data_says(document: dict[str, Any]) -> None:
    assert yaml.safe_load(_CHECKED_IN.read_text(encoding="utf-8")) == document


def test_what_is_required_of_a_document_is_there(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.0\.\d+", document["asyncapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]
    for server in document["servers"].values():
        assert server["host"]
        assert server["protocol"] == "kafka"


def test_every_reference_has_a_target(document: dict[str, Any]) -> None:
    references = set(_references(document))

    assert references
    for reference in references:
        assert isinstance(_resolved(document, reference), dict), reference


def test_component_keys_are_legal(document: dict[str, Any]) -> None:
    for section in document["components"].values():
        for key in section:
            assert _COMPONENT_KEY.fullmatch(key), key


def test_every_topic_with_messages_is_a_channel(document: dict[str, Any]) -> None:
    channels = document["channels"]

    assert set(channels) == {topic.name for topic in TOPICS if topic.carries}
    addresses = [channel["address"] for channel in channels.values()]
    assert len(set(addresses)) == len(addresses)
    for channel in channels.values():
        assert channel["messages"]
        assert channel["bindings"]["kafka"]["bindingVersion"] == "0.5.0"


def test_every_declared_producer_sends_and_every_consumer_receives(
    document: dict[str, Any],
) -> None:
    operations = {
        (operation["action"], operation["channel"]["$ref"].removeprefix("#/channels/"), name)
        for name, operation in document["operations"].items()
    }

    assert operations == {
        (action, topic.name, f"{package}.{action}.{topic.name}")
        for topic in TOPICS
        if topic.carries
        for action, packages in (("send", topic.producers), ("receive", topic.consumers))
        for package in packages
    }


def test_payloads_are_schemas_that_tell_messages_of_one_channel_apart(
    document: dict[str, Any],
) -> None:
    for channel in document["channels"].values():
        tags = []
        for reference in channel["messages"].values():
            message = _resolved(document, reference["$ref"])
            payload = message["payload"]
            schema = _resolved(document, payload["$ref"]) if "$ref" in payload else payload
            Draft7Validator.check_schema(schema)
            if len(channel["messages"]) > 1 and schema["type"] == "object":
                assert "type" in schema["required"], message["name"]
                tags.append(schema["properties"]["type"]["const"])
        assert len(set(tags)) == len(tags)


def test_openapis_discriminator_objects_are_gone(document: dict[str, Any]) -> None:
    assert "'discriminator': {" not in str(document)
