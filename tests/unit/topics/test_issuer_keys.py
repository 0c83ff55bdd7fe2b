"""Issuers' private keys are files that only their owner can read."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from schemas.signing import Issuer, sign, verify
from topics.issuer_keys import IssuerKeyError, create_issuer, issuer_trusted_by, load_issuers


def test_a_created_key_is_found_again_and_signs_the_same(tmp_path: Path) -> None:
    created = create_issuer(tmp_path)

    (loaded,) = load_issuers(tmp_path)

    assert loaded.key_id == created.key_id
    signed = sign({"type": "tick"}, loaded.key_id, loaded.private_key)
    assert verify(signed, (created.public(),))


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    issuer = create_issuer(tmp_path)

    (file,) = (tmp_path / "keys").iterdir()

    assert file.name == f"issuer-{issuer.key_id}.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_machine_without_keys_has_no_issuers(tmp_path: Path) -> None:
    assert load_issuers(tmp_path) == ()


def test_the_issuer_that_a_policy_trusts_is_chosen(tmp_path: Path) -> None:
    create_issuer(tmp_path)
    trusted = create_issuer(tmp_path)

    assert issuer_trusted_by((trusted.public(),), tmp_path).key_id == trusted.key_id


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    trusted = Issuer.generate().public()

    with pytest.raises(IssuerKeyError, match=f"issuer-{trusted.key_id}.key"):
        issuer_trusted_by((trusted,), tmp_path)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "issuer-1.key").write_text("not a key")

    with pytest.raises(IssuerKeyError, match=r"issuer-1\.key is not a private key"):
        load_issuers(tmp_path)


def test_a_key_of_another_sort_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "issuer-1.key").write_bytes(
        generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )

    with pytest.raises(IssuerKeyError, match=r"issuer-1\.key is not an Ed25519 key"):
        load_issuers(tmp_path)
