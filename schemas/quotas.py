"""Quotas as replies and events report them."""

from typing import Literal

from schemas.base import DurationMs, EpochMs, Message


class QuotaReading(Message):
    """Where an account's quota for one provider stands, in tokens.

    total = allowance + purchased (less what was revoked); remaining = what is neither spent nor
    held, never below 0. `window_ms`: how long an allowance window lasts, None without an
    allowance. `reset_at_ms`: when the window ends; None before first use.
    """

    total_tokens: int
    remaining_tokens: int
    allowance_tokens: int
    purchased_tokens: int
    held_tokens: int = 0
    debt_tokens: int = 0
    window_ms: DurationMs | None = None
    reset_at_ms: EpochMs | None = None


QuotaPot = Literal[
    "allowance",
    "spent",
    "held",
    "heldPast",
    "purchased",
    "revoked",
    "purchasedSpent",
    "purchasedHeld",
    "debt",
    "charged",
    "granted",
    "lapsed",
]
"""The pots of a quota, in tokens.

`allowance`, of which `spent` and `held`, is the current window's; `heldPast` is what holds keep
of earlier windows; `purchased` less `revoked`, of which `purchasedSpent` and `purchasedHeld`, is
the balance that never resets; `debt` a charge that no pot covered. `charged`, `granted` and
`lapsed` are sums since the beginning.
"""

QuotaMove = dict[QuotaPot, int]
"""What an event adds to the pots of a quota; a pot that is not named does not change."""
