"""Every answer a command can get, declared once, in order of precedence.

When several apply, the first in this order is the answer.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """A stable code. Refusals come first, in their order of precedence; then what took effect."""

    MALFORMED = "malformed"
    """The command, or the record around it, cannot be read; or it is too large."""
    MISROUTED = "misrouted"
    """The record is not in the partition of the account that its body names."""
    UNAUTHORISED_COMMAND = "unauthorised-command"
    """A privileged command without a signature of an issuer that the policy names."""
    NOT_READY = "not-ready"
    """The partition has no policy yet."""
    IDEMPOTENCY_CONFLICT = "idempotency-conflict"
    """The command id was used before, with another payload."""
    ACCOUNT_SUSPENDED = "account-suspended"
    """The account may not consume or reserve for now."""
    ACCOUNT_CLOSED = "account-closed"
    """The account may not consume or reserve any more."""
    UNKNOWN_PROVIDER = "unknown-provider"
    """The policy does not list the provider."""
    UNKNOWN_TIER = "unknown-tier"
    """The policy has no tier of that name."""
    POLICY_OUTDATED = "policy-outdated"
    """The partition has a policy of the same version or a higher one."""
    HOLD_UNKNOWN = "hold-unknown"
    """The account has no such hold, or it was closed too long ago."""
    HOLD_ALREADY_SETTLED = "hold-already-settled"
    """The hold was settled, with another number of tokens or before this void."""
    HOLD_ALREADY_VOIDED = "hold-already-voided"
    """The hold was voided before this settle."""
    HOLD_EXPIRED = "hold-expired"
    """The hold expired before this void: nothing is left to give back."""
    QUOTA_EXHAUSTED = "quota-exhausted"
    """Allowance and purchased balance together have fewer tokens left."""
    EXCEEDS_CAPACITY = "exceeds-capacity"
    """More at once than a limit can ever pass: no waiting cures it."""
    RATE_LIMITED = "rate-limited"
    """A bucket or window has no room for it now."""
    CONCURRENCY_LIMITED = "concurrency-limited"
    """Too much is held at the same time."""
    DECISION_FAILED = "decision-failed"
    """Deciding raised: a bug of ours. Nothing was charged."""
    GRANTED = "granted"
    """A consume was charged, or a reserve holds its tokens."""
    SETTLED = "settled"
    """The hold was closed and what was used is charged."""
    VOIDED = "voided"
    """The hold was closed and everything given back."""
    APPLIED = "applied"
    """An administrative command, or a policy, took effect."""
    ANSWERED = "answered"
    """A query was answered; nothing changed."""


TOOK_EFFECT = frozenset(
    {Outcome.GRANTED, Outcome.SETTLED, Outcome.VOIDED, Outcome.APPLIED, Outcome.ANSWERED}
)
