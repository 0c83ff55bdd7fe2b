"""Quotas as replies and events report them."""

from schemas.base import EpochMs, Message


class QuotaReading(Message):
    """Where an account's quota for one provider stands, in tokens.

    total = allowance + purchased (less what was revoked); remaining = what is neither spent nor
    held, never below 0. `reset_at_ms`: when the allowance's window ends; None before first use.
    """

    total_tokens: int
    remaining_tokens: int
    allowance_tokens: int
    purchased_tokens: int
    held_tokens: int = 0
    debt_tokens: int = 0
    reset_at_ms: EpochMs | None = None


class QuotaMove(Message):
    """What an event moves between the pots of a quota, in tokens; absent means 0.

    `spent` and `held` are the current window's allowance, `held_past` what holds still keep of
    earlier windows, `purchased_*` the balance that never resets. A charge that no pot covers is
    `debt`; what can no longer be used has `lapsed`.
    """

    spent: int = 0
    held: int = 0
    held_past: int = 0
    purchased: int = 0
    revoked: int = 0
    purchased_spent: int = 0
    purchased_held: int = 0
    debt: int = 0
    charged: int = 0
    granted: int = 0
    lapsed: int = 0
