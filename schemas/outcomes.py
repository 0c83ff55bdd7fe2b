"""Every answer a command can get, declared once, in order of precedence.

When several apply, the first in this order is the answer.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """A stable code. Refusals come first, in their order of precedence; then what took effect."""

    MALFORMED = "malformed"
    MISROUTED = "misrouted"
    UNAUTHORISED_COMMAND = "unauthorised-command"
    NOT_READY = "not-ready"
    IDEMPOTENCY_CONFLICT = "idempotency-conflict"
    ACCOUNT_SUSPENDED = "account-suspended"
    ACCOUNT_CLOSED = "account-closed"
    UNKNOWN_PROVIDER = "unknown-provider"
    UNKNOWN_TIER = "unknown-tier"
    POLICY_OUTDATED = "policy-outdated"
    HOLD_UNKNOWN = "hold-unknown"
    HOLD_ALREADY_SETTLED = "hold-already-settled"
    HOLD_ALREADY_VOIDED = "hold-already-voided"
    HOLD_EXPIRED = "hold-expired"
    QUOTA_EXHAUSTED = "quota-exhausted"
    EXCEEDS_CAPACITY = "exceeds-capacity"
    RATE_LIMITED = "rate-limited"
    CONCURRENCY_LIMITED = "concurrency-limited"
    DECISION_FAILED = "decision-failed"
    GRANTED = "granted"
    SETTLED = "settled"
    VOIDED = "voided"
    APPLIED = "applied"
    ANSWERED = "answered"


TOOK_EFFECT = frozenset(
    {Outcome.GRANTED, Outcome.SETTLED, Outcome.VOIDED, Outcome.APPLIED, Outcome.ANSWERED}
)
