"""Signatures: what was signed verifies, and nothing else does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import schemas
from schemas.policies import IssuerKey
from schemas.signing import MAX_DEPTH, Issuer, sign, verify

_EXAMPLES = Path(schemas.__file__).parent / "examples"
_ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
_OTHER = Issuer.of(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
_COMMAND = {"type": "allocate", "version": 1, "commandId": "a-1", "tokens": 5, "nested": {"x": [1]}}


def _signed_examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(_EXAMPLES.glob("*/v*/valid/*.json")):
        example = json.loads(file.read_bytes())
        if isinstance(example, dict) and "signature" in example:
            yield f"{file.parts[-4]}/{file.stem}", example


@pytest.mark.parametrize(
    "command",
    [example for _, example in _signed_examples()],
    ids=[n for n, _ in _signed_examples()],
)
def test_the_signatures_of_the_golden_examples_hold(command: dict[str, Any]) -> None:
    assert verify(command, (_ISSUER.public(),))


def test_a_signature_is_the_same_every_time_and_in_every_order_of_members() -> None:
    signed = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)
    reordered = dict(reversed(_COMMAND.items()))

    assert sign(reordered, _ISSUER.key_id, _ISSUER.private_key) == signed
    assert verify(dict(reversed(signed.items())), (_ISSUER.public(),))


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": 6},
        {"tokens": "5"},
        {"commandId": "a-2"},
        {"replyTo": "replies/1"},
        {"unknown": None},
        {"nested": {"x": [2]}},
    ],
    ids=str,
)
def test_no_member_can_be_changed_or_added(change: dict[str, Any]) -> None:
    signed = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)

    assert not verify({**signed, **change}, (_ISSUER.public(),))


@pytest.mark.parametrize("member", _COMMAND)
def test_no_member_can_be_taken_away(member: str) -> None:
    signed = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)
    del signed[member]

    assert not verify(signed, (_ISSUER.public(),))


def test_a_key_under_another_keys_id_does_not_verify() -> None:
    forged = sign(_COMMAND, _ISSUER.key_id, _OTHER.private_key)

    assert not verify(forged, (_ISSUER.public(), _OTHER.public()))


def test_an_issuer_that_is_not_named_does_not_verify() -> None:
    signed = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)

    assert not verify(signed, (_OTHER.public(),))
    assert not verify(signed, ())


def test_signing_again_replaces_the_signature() -> None:
    signed = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)

    assert sign(signed, _OTHER.key_id, _OTHER.private_key) == sign(
        _COMMAND, _OTHER.key_id, _OTHER.private_key
    )


_GOOD = sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key)["signature"]


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "text",
        {},
        {"keyId": _GOOD["keyId"]},
        {"keyId": _GOOD["keyId"], "value": None},
        {"keyId": _GOOD["keyId"], "value": ""},
        {"keyId": _GOOD["keyId"], "value": "ü" * 86},
        {"keyId": _GOOD["keyId"], "value": "A" * 86},
        {"keyId": _GOOD["keyId"], "value": _GOOD["value"] + "=="},
        {"keyId": [], "value": _GOOD["value"]},
    ],
    ids=str,
)
def test_anything_else_than_a_signature_does_not_verify(signature: object) -> None:
    assert not verify({**_COMMAND, "signature": signature}, (_ISSUER.public(),))


@pytest.mark.parametrize("value", [2**60, float("nan"), "\ud800"], ids=["big", "nan", "surrogate"])
def test_what_json_cannot_carry_exactly_does_not_verify(value: object) -> None:
    assert not verify({**_COMMAND, "extra": value, "signature": _GOOD}, (_ISSUER.public(),))


def test_depth_is_bounded_by_a_number_and_not_by_a_stack() -> None:
    def nested(levels: int) -> dict[str, Any]:
        command: dict[str, Any] = {}
        for _ in range(levels):
            command = {"inner": command}
        return sign(command, _ISSUER.key_id, _ISSUER.private_key)

    assert verify(nested(MAX_DEPTH - 1), (_ISSUER.public(),))
    assert not verify(nested(MAX_DEPTH), (_ISSUER.public(),))
    deep = json.loads('{"a":' * 900 + "1" + "}" * 900)
    assert not verify({**deep, "signature": _GOOD}, (_ISSUER.public(),))


def test_a_policy_with_a_damaged_public_key_does_not_verify() -> None:
    damaged = IssuerKey(key_id=_ISSUER.key_id, public_key="_" * 43)

    assert not verify(sign(_COMMAND, _ISSUER.key_id, _ISSUER.private_key), (damaged,))
