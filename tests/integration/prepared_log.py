"""A log that exercises the rules: every command, every limit, holds ended in every way.

What a verification of it proves is only as good as what it contains, so each step says which rule
it is there for.
"""

import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from leaky.asking import Asker
from schemas.outcomes import Outcome
from schemas.policies import ANY_PROVIDER, PolicyDocument
from schemas.replies import Reply
from schemas.signing import sign
from tests.integration.accounts_system import AccountsSystem
from topics.policy_publication import publish_policy

_POLL_S = 0.05

SLOW_LEAK = {"kind": "leaky-bucket", "name": "slow", "capacity": 1000, "amount": 7}
"""Leaks 7 tokens a minute and a millisecond, so that nearly every moment leaves a remainder."""

LIMITS = {
    ANY_PROVIDER: [],
    "openai": [{"kind": "leaky-bucket", "name": "tokens", "capacity": 1000, "amount": 10}],
    "qwen": [
        {**SLOW_LEAK, "periodMs": 60_001},
        {"kind": "concurrency", "name": "at-once", "limit": 2},
    ],
    "gemini": [
        {"kind": "token-bucket", "name": "refilled", "capacity": 500, "amount": 3},
        {"kind": "fixed-window", "name": "a-day", "limit": 9, "unit": "requests"}
        | {"windowMs": 86_400_000},
        {"kind": "concurrency", "name": "at-once", "limit": 3},
    ],
    "stub": [],
}


@dataclass
class Script:
    """Sends the commands of a system one after the other, each when the last was answered."""

    system: AccountsSystem
    asker: Asker
    numbers: Any = field(default_factory=itertools.count)

    def ask(self, kind: str, account: str, outcome: Outcome, **fields: object) -> Reply:
        """The reply to one command, which must have this outcome."""
        command: dict[str, Any] = {
            "type": kind,
            "commandId": f"c{next(self.numbers)}",
            "account": account,
            "replyTo": self.asker.reply_to,
            **fields,
        }
        if kind in {"allocate", "revoke", "set-tier", "set-status", "set-limits"}:
            issuer = self.system.issuer()
            command = sign(command, issuer.key_id, issuer.private_key)
        self.asker.send(json.dumps(command).encode(), account, answers=1)
        reply = next(reply for _, reply in self.asker.replies())
        assert reply.outcome is outcome, reply
        return reply

    def held(self, account: str, **fields: object) -> str:
        """The id of a new hold."""
        reply = self.ask("reserve", account, Outcome.GRANTED, **fields)
        assert reply.hold is not None
        return reply.hold.id


def record(system: AccountsSystem) -> None:
    """Send the whole script; needs a running pipeline."""
    _publish_limits(system)
    with Asker(system.settings) as asker:
        script = Script(system, asker)
        _limits(script, _user())
        _holds(script, _user())
        _refunds(script, _user())
        _balances(script, _user())
        _concurrency(script, _user())
        _administration(script, _user())
        _expiry(script, _user())
        _arrays_and_dead_letters(script, _user())


def _user() -> str:
    return f"user:{uuid.uuid4()}"


def _publish_limits(system: AccountsSystem) -> None:
    fields = json.loads(system.policy().to_json())
    providers = sorted(LIMITS.keys() - {ANY_PROVIDER})
    changed = {**fields, "version": 2, "limits": LIMITS, "providers": providers}
    document = PolicyDocument.model_validate_json(json.dumps(changed))
    publish_policy(system.settings, document, system.issuer())


def _limits(script: Script, account: str) -> None:
    # Exactly the capacity passes, one token more never can, and the bucket is then too full.
    script.ask("consume", account, Outcome.EXCEEDS_CAPACITY, provider="openai", tokens=1001)
    script.ask("consume", account, Outcome.GRANTED, provider="openai", tokens=1000)
    script.ask("consume", account, Outcome.RATE_LIMITED, provider="openai", tokens=900)
    script.ask("consume", account, Outcome.UNKNOWN_PROVIDER, provider="nobody", tokens=1)
    # Exactly what remains of the quota passes; then nothing.
    script.ask("consume", account, Outcome.GRANTED, provider="stub", tokens=99_000)
    script.ask("consume", account, Outcome.GRANTED, provider="stub", tokens=1_000)
    script.ask("consume", account, Outcome.QUOTA_EXHAUSTED, provider="stub", tokens=1)
    # A leak that never comes out even, met at many moments.
    for tokens in (500, 1, 2, 3, 4, 5):
        script.ask("consume", account, Outcome.GRANTED, provider="qwen", tokens=tokens)
    for tokens in (200, 100, 7, 100):
        script.ask("consume", account, Outcome.GRANTED, provider="gemini", tokens=tokens)
    # Repeats, and the same id with another payload.
    again: dict[str, Any] = {"commandId": "again", "provider": "openai", "tokens": 1}
    other = _user()
    script.ask("consume", other, Outcome.GRANTED, **again)
    assert script.ask("consume", other, Outcome.GRANTED, **again).replayed
    script.ask("consume", other, Outcome.IDEMPOTENCY_CONFLICT, **{**again, "tokens": 2})


def _holds(script: Script, account: str) -> None:
    below = script.held(account, provider="openai", tokens=300)
    script.ask("settle", account, Outcome.SETTLED, holdId=below, tokens=120)
    # The same again is a repeat, another amount is refused, and so is a void.
    assert script.ask("settle", account, Outcome.SETTLED, holdId=below, tokens=120).replayed
    script.ask("settle", account, Outcome.HOLD_ALREADY_SETTLED, holdId=below, tokens=121)
    script.ask("void", account, Outcome.HOLD_ALREADY_SETTLED, holdId=below)
    above = script.held(account, provider="openai", tokens=50)
    script.ask("settle", account, Outcome.SETTLED, holdId=above, tokens=80)
    # A void frees the command id of its reserve: the same command makes a new hold.
    fields: dict[str, Any] = {"commandId": "reused", "provider": "openai", "tokens": 40}
    first = script.held(account, **fields)
    script.ask("void", account, Outcome.VOIDED, holdId=first, reason="not needed")
    assert script.ask("void", account, Outcome.VOIDED, holdId=first).replayed
    assert script.held(account, **fields) != first
    script.ask("settle", _user(), Outcome.HOLD_UNKNOWN, holdId=first, tokens=1)


def _refunds(script: Script, account: str) -> None:
    # The bucket stays above zero, so that what leaked since the charge counts in the refund.
    script.ask("consume", account, Outcome.GRANTED, provider="openai", tokens=500)
    hold = script.held(account, provider="openai", tokens=200)
    script.ask("query", account, Outcome.ANSWERED)
    script.ask("void", account, Outcome.VOIDED, holdId=hold)
    script.ask("consume", account, Outcome.GRANTED, provider="gemini", tokens=300)
    hold = script.held(account, provider="gemini", tokens=150)
    script.ask("settle", account, Outcome.SETTLED, holdId=hold, tokens=10)


def _balances(script: Script, account: str) -> None:
    script.ask("allocate", account, Outcome.APPLIED, provider="stub", tokens=5_000)
    # Allowance first, then the purchased balance, held from both.
    script.ask("consume", account, Outcome.GRANTED, provider="stub", tokens=99_500)
    hold = script.held(account, provider="stub", tokens=1_000)
    # More than is free of the purchased balance is not taken back.
    script.ask("revoke", account, Outcome.APPLIED, provider="stub", tokens=4_900)
    # Into debt, which the next purchase pays first.
    script.ask("settle", account, Outcome.SETTLED, holdId=hold, tokens=1_700)
    script.ask("query", account, Outcome.ANSWERED, provider="stub")
    script.ask("allocate", account, Outcome.APPLIED, provider="stub", tokens=1_000)
    script.ask("consume", account, Outcome.GRANTED, provider="stub", tokens=10)


def _concurrency(script: Script, account: str) -> None:
    # Two at once for one provider, counted apart from the other's.
    script.held(account, provider="gemini", tokens=5)
    holds = [script.held(account, provider="qwen", tokens=5) for _ in range(2)]
    script.ask("reserve", account, Outcome.CONCURRENCY_LIMITED, provider="qwen", tokens=5)
    script.ask("void", account, Outcome.VOIDED, holdId=holds[0])
    script.held(account, provider="qwen", tokens=5)


def _administration(script: Script, account: str) -> None:
    script.ask("set-tier", account, Outcome.APPLIED, tier="PRO")
    script.ask("set-tier", account, Outcome.UNKNOWN_TIER, tier="GOLD")
    script.ask("consume", account, Outcome.GRANTED, provider="openai", tokens=15_000)
    own = [{"kind": "leaky-bucket", "name": "tokens", "capacity": 20, "amount": 1}]
    script.ask("set-limits", account, Outcome.APPLIED, provider="openai", limits=own)
    script.ask("consume", account, Outcome.RATE_LIMITED, provider="openai", tokens=20)
    script.ask("set-status", account, Outcome.APPLIED, status="suspended", reason="unpaid")
    script.ask("consume", account, Outcome.ACCOUNT_SUSPENDED, provider="openai", tokens=1)
    script.ask("set-status", account, Outcome.APPLIED, status="open")
    script.ask("set-tier", account, Outcome.APPLIED, tier=None)


def _expiry(script: Script, account: str) -> None:
    hold = script.held(account, provider="openai", tokens=60, holdTtlMs=1_000)
    deadline = time.monotonic() + 30
    while True:
        reply = script.ask("query", account, Outcome.ANSWERED)
        if reply.reading is not None and not reply.reading.open_holds:
            break
        assert time.monotonic() < deadline, "the hold did not expire"
        time.sleep(_POLL_S)
    script.ask("void", account, Outcome.HOLD_EXPIRED, holdId=hold)
    script.ask("settle", account, Outcome.SETTLED, holdId=hold, tokens=70)


def _arrays_and_dead_letters(script: Script, account: str) -> None:
    one = {"type": "consume", "account": account, "provider": "openai", "tokens": 1}
    members = [{**one, "commandId": f"m{place}"} for place in range(3)]
    members[1] = {"type": "nothing-known"}
    script.asker.send(json.dumps(members).encode(), account)
    script.asker.send(b"\xff no text", account)
    script.ask("consume", account, Outcome.GRANTED, provider="openai", tokens=1)
