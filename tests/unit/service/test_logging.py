"""Logs: JSON lines with time, service and correlation, from every library, without secrets."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import structlog

from service import correlation
from service.logging import configure_logging, get_logger
from service.redaction import REDACTED, redact, redact_text

USER = "0b6f7f6e-7d8e-4b8e-9d0e-2f7b8a1c2d3e"
API_KEY = f"leaky_{USER}_{'ab' * 24}"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    stream = io.StringIO()
    configure_logging("shop", "info", stream)
    yield stream
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def only_line(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_says_when_where_who_and_what(log: io.StringIO) -> None:
    get_logger("shop.till").info("sold", pieces=3)

    line = only_line(log)
    assert line["message"] == "sold"
    assert line["pieces"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "shop.till"
    assert line["service"] == "shop"
    assert line["time"].endswith("Z")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


def test_lines_of_the_standard_library_come_out_alike(log: io.StringIO) -> None:
    logging.getLogger("some.library").warning("careful with %s", "that", extra={"pieces": 3})

    line = only_line(log)
    assert line["message"] == "careful with that"
    assert line["logger"] == "some.library"
    assert line["pieces"] == 3
    assert line["service"] == "shop"


def test_lines_below_the_level_are_not_written(log: io.StringIO) -> None:
    get_logger("shop").debug("chatter")

    assert log.getvalue() == ""


def test_a_line_carries_the_ids_of_its_context(log: io.StringIO) -> None:
    reset_correlation = correlation.correlation_id.set("c-1")
    reset_command = correlation.command_id.set("k-1")
    try:
        get_logger("shop").info("sold")
    finally:
        correlation.correlation_id.reset(reset_correlation)
        correlation.command_id.reset(reset_command)

    line = only_line(log)
    assert (line["correlation_id"], line["command_id"]) == ("c-1", "k-1")


def test_a_secret_in_an_exception_is_not_written(log: io.StringIO) -> None:
    try:
        raise ConnectionError(f"postgresql://leaky:hunter2@db/leaky refused {JWT}")
    except ConnectionError:
        get_logger("shop").exception("no database")

    written = log.getvalue()
    assert "hunter2" not in written
    assert JWT not in written
    assert "postgresql://leaky:" in written


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "newPassword",
        "token",
        "access_token",
        "apiKey",
        "api_key",
        "rawKey",
        "authorization",
        "Authorization",
        "private_key",
        "key_encryption_key",
        "secret",
        "cookie",
    ],
)
def test_values_under_a_secrets_name_are_replaced_at_any_depth(key: str) -> None:
    assert redact({"outer": [{key: "hunter2"}]}) == {"outer": [{key: REDACTED}]}


@pytest.mark.parametrize("key", ["tokens", "usage_tokens", "key_id", "user_id", "monkey"])
def test_values_under_a_harmless_name_stay(key: str) -> None:
    assert redact({key: "800"}) == {key: "800"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {JWT}", JWT),
        (f"token is {JWT}", JWT),
        (f"key {API_KEY} used", "ab" * 24),
        ("host=db password=hunter2 dbname=leaky", "hunter2"),
        ("postgresql://leaky:hunter2@db/leaky", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "abc"),
    ],
)
def test_secrets_are_recognised_by_their_look(text: str, secret: str) -> None:
    assert secret not in redact_text(text)
    assert REDACTED in redact_text(text)


def test_a_redacted_api_key_still_says_whose_it_was() -> None:
    assert redact_text(API_KEY) == f"leaky_{USER}_{REDACTED}"
