"""The policy of a partition: kept in its state, replaced only by a higher version."""

import msgspec

from pipelines.accounts.terms import Rules
from schemas.policies import PolicyDocument
from state.store import DurableStore

_KEY = b"!policy"
_VERSION = b"\x01"


class StoredPolicy(msgspec.Struct, frozen=True, array_like=True):
    """A policy as the partition keeps it.

    `digest`: SHA-256 of its RFC 8785 form. `head`: SHA-256 of the partition's last own event,
    which the next one names.
    """

    version: int
    digest: bytes
    head: bytes
    document: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredPolicy).decode


class PolicyCache:
    """Each partition's policy, parsed once and checked against the state at every use."""

    def __init__(self) -> None:
        self._parsed: dict[int, tuple[bytes, StoredPolicy, Rules]] = {}

    def read(self, partition: int, store: DurableStore) -> tuple[StoredPolicy, Rules] | None:
        """The partition's policy and its rules; None before its first policy."""
        encoded = store.get(_KEY)
        if encoded is None:
            return None
        cached = self._parsed.get(partition)
        if cached is not None and cached[0] == encoded:
            return cached[1], cached[2]
        stored = _decode(encoded[1:])
        rules = Rules(PolicyDocument.model_validate_json(stored.document))
        self._parsed[partition] = (encoded, stored, rules)
        return stored, rules

    def forget(self, partition: int) -> None:
        self._parsed.pop(partition, None)


def write_policy(store: DurableStore, stored: StoredPolicy) -> None:
    store.set(_KEY, _VERSION + _encode(stored))
