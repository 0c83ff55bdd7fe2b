"""Signing keys: encrypted at rest, published as JWKs, named in the tokens they sign."""

import base64
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from auth.signing.encryption import KeyEncryption, KeyEncryptionError, key_encryption
from auth.signing.keys import jwk, new_signing_key, signing_key_from_pem
from auth.tokens import AUDIENCE, ISSUER, issue_token

USER = uuid.UUID("0b6f7f6e-7d8e-4b8e-9d0e-2f7b8a1c2d3e")


def test_a_token_has_the_promised_claims_and_verifies_with_the_published_key() -> None:
    key = new_signing_key()
    now = datetime.now(UTC)

    issued = issue_token(
        key,
        user_id=USER,
        username="Ada",
        roles=["USER", "ADMIN"],
        now=now,
        lifetime=timedelta(hours=1),
    )

    published = jwk(key.kid, key.public_pem())
    claims = jwt.decode(
        issued.token, jwt.PyJWK(published), algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
    )
    assert jwt.get_unverified_header(issued.token)["kid"] == key.kid == published["kid"]
    assert claims["sub"] == str(USER)
    assert claims["iss"] == "leaky-tokens-auth"
    assert claims["aud"] == "leaky-tokens"
    assert claims["roles"] == ["ADMIN", "USER"]
    assert claims["username"] == "Ada"
    assert claims["orgs"] == []
    assert claims["iat"] == int(now.timestamp())
    assert claims["exp"] - claims["iat"] == 3600
    assert issued.expires_at.timestamp() == claims["exp"]
    assert str(uuid.UUID(claims["jti"])) == claims["jti"]


def test_two_tokens_never_share_an_id() -> None:
    key = new_signing_key()
    now = datetime.now(UTC)

    ids = {
        jwt.decode(
            issue_token(
                key, user_id=USER, username="a", roles=[], now=now, lifetime=timedelta(hours=1)
            ).token,
            options={"verify_signature": False},
        )["jti"]
        for _ in range(3)
    }

    assert len(ids) == 3


def test_a_published_key_shows_nothing_private() -> None:
    key = new_signing_key()

    assert set(jwk(key.kid, key.public_pem())) == {"kty", "use", "alg", "kid", "n", "e"}


def test_a_key_survives_encryption_and_back() -> None:
    key = new_signing_key()
    encryption = KeyEncryption(bytes(32))

    encrypted = encryption.encrypt(key.private_pem(), key.kid)

    assert b"PRIVATE KEY" not in encrypted
    restored = signing_key_from_pem(key.kid, encryption.decrypt(encrypted, key.kid))
    assert restored.public_pem() == key.public_pem()


def test_another_key_or_another_kid_does_not_decrypt() -> None:
    encrypted = KeyEncryption(bytes(32)).encrypt(b"secret", "kid-1")

    with pytest.raises(KeyEncryptionError, match="encrypted with another key"):
        KeyEncryption(b"x" * 32).decrypt(encrypted, "kid-1")
    with pytest.raises(KeyEncryptionError):
        KeyEncryption(bytes(32)).decrypt(encrypted, "kid-2")


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_an_unusable_configured_key_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(KeyEncryptionError, match="must hold 32 bytes in base64"):
        key_encryption(text, tmp_path)


def test_both_base64_alphabets_are_understood(tmp_path: Path) -> None:
    key = b"\xfb\xff" * 16
    encrypted = KeyEncryption(key).encrypt(b"secret", "k")

    for text in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
        assert key_encryption(text.decode(), tmp_path).decrypt(encrypted, "k") == b"secret"


def test_without_a_configured_key_one_is_made_that_only_the_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    first = key_encryption(None, folder)
    second = key_encryption(None, folder)

    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert second.decrypt(first.encrypt(b"secret", "k"), "k") == b"secret"


def test_processes_that_start_together_agree_on_the_generated_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: key_encryption(None, tmp_path), range(8)))

    encrypted = made[0].encrypt(b"secret", "k")
    assert all(encryption.decrypt(encrypted, "k") == b"secret" for encryption in made)
    assert len(list(tmp_path.iterdir())) == 1
