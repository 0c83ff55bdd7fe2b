"""The AsyncAPI 3 document of the topics, generated from the registry and the schemas."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import yaml
from pydantic import TypeAdapter

from schemas.export import require_type_tags
from schemas.messages import WireDocument
from topics.envelope import CORRELATION_ID, MAX_HEADER_CHARACTERS, REQUEST_ID, TRACEPARENT
from topics.registry import ACCOUNTS_COMMANDS, REPLIES, TOPICS, Topic
from topics.settings import TopicsSettings

JsonObject = dict[str, Any]

_KAFKA_BINDING = "0.5.0"
_SCHEMAS = "#/components/schemas/"
_NUMBERS_IN_BINDING = (
    "retention.ms",
    "retention.bytes",
    "delete.retention.ms",
    "max.message.bytes",
)


def asyncapi_document() -> JsonObject:
    """The document as JSON data. Changelogs are left out: only Quix Streams reads them."""
    published = [topic for topic in TOPICS if topic.carries is not None]
    documents = {topic.carries.name: topic.carries for topic in published if topic.carries}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leaky Tokens: topics",
            "version": version("leaky-tokens"),
            "description": (
                "What travels over Kafka, who sends it and who receives it. Names are without the "
                "prefix that an environment may put before them; numbers of partitions and "
                "replicas are the defaults of a development machine."
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "development": {
                "host": "127.0.0.1:9092",
                "protocol": "kafka",
                "description": "The broker of a development machine.",
            }
        },
        "channels": {topic.name: _channel(topic) for topic in published},
        "operations": {
            name: operation for topic in published for name, operation in _operations(topic)
        },
        "components": _components(documents.values()),
    }


def rendered() -> str:
    """The document as YAML."""
    text: str = yaml.dump(
        asyncapi_document(),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as lines."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


_Dumper.add_representer(str, _Dumper.represent_text)


def _channel(topic: Topic) -> JsonObject:
    return {
        "address": topic.name,
        "title": topic.name,
        "summary": topic.summary,
        "description": (
            f"Key: {topic.key or 'none'}. Partition: {topic.routing.value}. "
            "Timestamps are the broker's."
        ),
        "servers": [{"$ref": "#/servers/development"}],
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)
        },
        "bindings": {"kafka": _channel_binding(topic)},
    }


def _channel_binding(topic: Topic) -> JsonObject:
    defaults = TopicsSettings.model_fields
    return {
        "topic": topic.name,
        "partitions": topic.partitions(defaults["topics_partitions"].default),
        "replicas": defaults["topics_replication_factor"].default,
        "topicConfiguration": {
            "cleanup.policy": topic.config["cleanup.policy"].split(","),
            **{
                setting: int(topic.config[setting])
                for setting in _NUMBERS_IN_BINDING
                if setting in topic.config
            },
        },
        "bindingVersion": _KAFKA_BINDING,
    }


def _operations(topic: Topic) -> Iterable[tuple[str, JsonObject]]:
    for action, packages in (("send", topic.producers), ("receive", topic.consumers)):
        for package in sorted(packages):
            operation: JsonObject = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": f"{package} {action}s on {topic.name}.",
            }
            if topic is ACCOUNTS_COMMANDS and action == "send":
                operation["reply"] = {
                    "address": {
                        "location": "$message.payload#/replyTo",
                        "description": f"{REPLIES.name}/<partition>, chosen by the sender.",
                    },
                    "channel": {"$ref": f"#/channels/{REPLIES.name}"},
                }
            yield f"{package}.{action}.{topic.name}", operation


def _components(documents: Iterable[WireDocument]) -> JsonObject:
    documents = tuple(documents)
    types = {name: kind for document in documents for name, kind in document.messages.items()}
    references, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in types.items()],
        ref_template=f"{_SCHEMAS}{{model}}",
    )
    payloads = {name: references[(name, "validation")] for name in types}
    schemas = shared["$defs"]
    require_type_tags(_unions(documents), schemas)
    for node in (schemas, payloads):
        _drop_discriminators(node)
    return {
        "messages": {name: _message(name, payloads[name]) for name in types},
        "correlationIds": {
            "request-id": {
                "description": "Copied from a command's record to its reply's.",
                "location": f"$message.header#/{REQUEST_ID}",
            }
        },
        "schemas": {"record-headers": _record_headers(), **schemas},
    }


def _unions(documents: Iterable[WireDocument]) -> list[JsonObject]:
    """The schemas of whole documents, which say by which tag their messages are told apart."""
    return [document.adapter.json_schema(mode="validation") for document in documents]


def _drop_discriminators(node: object) -> None:
    """Take out OpenAPI's `discriminator` objects, which AsyncAPI does not have.

    The constant tag that each alternative requires says the same.
    """
    if isinstance(node, dict):
        if isinstance(node.get("discriminator"), dict):
            del node["discriminator"]
        for child in node.values():
            _drop_discriminators(child)
    elif isinstance(node, list):
        for child in node:
            _drop_discriminators(child)


def _message(name: str, payload: JsonObject) -> JsonObject:
    return {
        "name": name,
        "title": name,
        "contentType": "application/json",
        "headers": {"$ref": f"{_SCHEMAS}record-headers"},
        "correlationId": {"$ref": "#/components/correlationIds/request-id"},
        "payload": payload,
    }


def _record_headers() -> JsonObject:
    text = {"type": "string", "minLength": 1, "maxLength": MAX_HEADER_CHARACTERS}
    meanings = {
        REQUEST_ID: "Fresh for each request; what a reply is matched by.",
        CORRELATION_ID: "What log lines of one cause share.",
        TRACEPARENT: "W3C trace context.",
    }
    return {
        "type": "object",
        "properties": {
            name: {**text, "description": meaning} for name, meaning in meanings.items()
        },
    }


def _message_names(topic: Topic) -> Iterable[str]:
    return topic.carries.messages if topic.carries else ()
