"""The id of a hold: opaque to clients, and yet it says which account's command made it.

`hold_` + base64url of `<account>|<partition>|<offset>|<index>`: the origin of the reserve in the
command log, so that no two reserves ever share an id, and a settle finds its way by the id alone.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from schemas.base import UUID_PATTERN

_PREFIX = "hold_"
_PLAIN = re.compile(
    rf"^((?:user|org):{UUID_PATTERN})\|([0-9]{{1,9}})\|([0-9]{{1,18}})\|([0-9]{{1,9}})$"
)


class InvalidHoldIdError(ValueError):
    """The text is not an id that this system gave out."""


@dataclass(frozen=True, slots=True)
class HoldOrigin:
    """What a hold's id says: the account, and where in the log its reserve stands."""

    account: str
    partition: int
    offset: int
    index: int


def encode_hold_id(origin: HoldOrigin) -> str:
    plain = f"{origin.account}|{origin.partition}|{origin.offset}|{origin.index}"
    return _PREFIX + urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def decode_hold_id(hold_id: str) -> HoldOrigin:
    """The origin in a hold's id; raises `InvalidHoldIdError` on any other text."""
    if not hold_id.startswith(_PREFIX):
        raise InvalidHoldIdError(f"a hold's id starts with {_PREFIX!r}")
    encoded = hold_id[len(_PREFIX) :]
    try:
        plain = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (Base64Error, ValueError):
        raise InvalidHoldIdError("a hold's id is base64url behind its prefix") from None
    match = _PLAIN.match(plain)
    if match is None:
        raise InvalidHoldIdError("a hold's id names an account and an origin")
    origin = HoldOrigin(match[1], int(match[2]), int(match[3]), int(match[4]))
    if encode_hold_id(origin) != hold_id:
        raise InvalidHoldIdError("a hold's id has one spelling only")
    return origin
