"""The private keys of issuers, as files of one machine: `<data folder>/keys/issuer-<id>.key`.

Each is PKCS #8 in PEM, readable by its owner alone. Whoever holds one may sign privileged commands
for as long as the policy names its public half.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from schemas.policies import IssuerKey
from schemas.signing import Issuer

_OWNER_ONLY = 0o700


class IssuerKeyError(RuntimeError):
    """A key that is needed is not there, or a file is not a key."""


def load_issuers(data_dir: Path) -> tuple[Issuer, ...]:
    """The issuers whose keys this machine keeps, in the order of their ids."""
    return tuple(_load(file) for file in sorted(_folder(data_dir).glob("issuer-*.key")))


def create_issuer(data_dir: Path) -> Issuer:
    """Generate a key and keep it."""
    issuer = Issuer.generate()
    folder = _folder(data_dir)
    folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
    pem = issuer.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # mkstemp makes the file with mode 0600; it appears under its name only when it is whole.
    descriptor, arriving = tempfile.mkstemp(dir=folder, prefix=".issuer-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    Path(arriving).rename(folder / f"issuer-{issuer.key_id}.key")
    return issuer


def issuer_trusted_by(trusted: Iterable[IssuerKey], data_dir: Path) -> Issuer:
    """The first of this machine's issuers that a policy's `issuers` name.

    Raises `IssuerKeyError` when there is none.
    """
    trusted = tuple(trusted)
    for issuer in load_issuers(data_dir):
        if issuer.public() in trusted:
            return issuer
    wanted = ", ".join(f"issuer-{key.key_id}.key" for key in trusted)
    raise IssuerKeyError(
        f"{_folder(data_dir)} holds no key that the policy trusts: expected one of {wanted}. "
        "Copy it from the machine that created the topics (LEAKY_DATA_DIR names the data folder)."
    )


def _folder(data_dir: Path) -> Path:
    return data_dir / "keys"


def _load(file: Path) -> Issuer:
    try:
        private_key = load_pem_private_key(file.read_bytes(), password=None)
    except ValueError as error:
        raise IssuerKeyError(f"{file} is not a private key in PEM: {error}") from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise IssuerKeyError(f"{file} is not an Ed25519 key")
    return Issuer.of(private_key)
