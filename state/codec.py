"""State values as bytes: one version byte, then MessagePack with fields by position.

Fields may be added at a struct's end with a default; anything else is a new version, read beside
the old ones. The version byte is never 0x00 or 0xFF, which stores use as marks of their own.
"""

from typing import TypeVar

import msgspec

from state.accounts import Account, Answered, Hold
from state.store import MAX_VALUE_BYTES, ValueTooLargeError

VERSION = b"\x01"

T = TypeVar("T", Account, Hold, Answered)

_encoder = msgspec.msgpack.Encoder()
_decoders = {
    Account: msgspec.msgpack.Decoder(Account),
    Hold: msgspec.msgpack.Decoder(Hold),
    Answered: msgspec.msgpack.Decoder(Answered),
}


class UnknownCodecVersionError(ValueError):
    """The value was written by code that this version does not know."""


def encode(key: bytes, value: Account | Hold | Answered) -> bytes:
    """The bytes of a state value; raises `ValueTooLargeError` naming the key."""
    encoded = VERSION + _encoder.encode(value)
    if len(encoded) > MAX_VALUE_BYTES:
        raise ValueTooLargeError(key, len(encoded))
    return encoded


def decode(kind: type[T], encoded: bytes) -> T:
    """The state value of `kind`; raises `UnknownCodecVersionError` or `msgspec.DecodeError`."""
    if encoded[:1] != VERSION:
        raise UnknownCodecVersionError(
            f"a state value of version {encoded[:1]!r}; this code knows {VERSION!r}"
        )
    decoder: msgspec.msgpack.Decoder[T] = _decoders[kind]  # type: ignore[assignment] # by its key
    return decoder.decode(encoded[1:])
