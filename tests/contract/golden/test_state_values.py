"""State values that earlier code has written are read as they were meant, and written alike."""

import json
from typing import Any

import pytest

from state.codec import decode, encode
from tests.contract.golden.state_values import PATH, VALUES

KEPT: dict[str, str] = json.loads(PATH.read_text())


def test_every_value_has_its_bytes_on_file() -> None:
    assert KEPT.keys() == VALUES.keys()


@pytest.mark.parametrize("name", sorted(KEPT))
def test_bytes_on_file_read_as_the_value_and_are_written_again(name: str) -> None:
    kept, value = bytes.fromhex(KEPT[name]), VALUES[name]
    kind: Any = type(value)
    assert decode(kind, kept) == value
    assert encode(name.encode(), value) == kept
