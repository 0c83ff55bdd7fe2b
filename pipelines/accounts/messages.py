"""The messages that this pipeline writes, as lean structs of their models.

To a type checker they are the models themselves.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from schemas import events, limits, quotas, replies
from schemas.lean import decoder, lean

__all__ = [
    "AccountEvent",
    "AccountReading",
    "Allocated",
    "AllowanceChanged",
    "Consumed",
    "DecisionFailed",
    "Denied",
    "Event",
    "HoldExpired",
    "HoldReading",
    "LimitChange",
    "LimitReading",
    "LimitsSet",
    "PolicyApplied",
    "ProviderReading",
    "QuotaReading",
    "Reply",
    "Reserved",
    "Revoked",
    "Settled",
    "StatusSet",
    "TierSet",
    "Violation",
    "Voided",
    "decode_event",
]

if TYPE_CHECKING:
    from schemas.events import (
        AccountEvent,
        Allocated,
        AllowanceChanged,
        Consumed,
        DecisionFailed,
        Denied,
        Event,
        HoldExpired,
        LimitsSet,
        PolicyApplied,
        Reserved,
        Revoked,
        Settled,
        StatusSet,
        TierSet,
        Voided,
    )
    from schemas.limits import LimitChange, LimitReading, Violation
    from schemas.quotas import QuotaReading
    from schemas.replies import AccountReading, HoldReading, ProviderReading, Reply
else:
    for _module in (events, limits, quotas, replies):
        for _name in __all__:
            if hasattr(_module, _name):
                _declared = getattr(_module, _name)
                globals()[_name] = lean(_declared) if isinstance(_declared, type) else _declared

decode_event: Callable[[bytes], AccountEvent] = decoder(events.AccountEvent)
"""Reads an account's event as this pipeline encoded it."""
