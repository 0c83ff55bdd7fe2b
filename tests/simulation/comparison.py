"""Product and reference side by side: one partition, its accounts, and how both are compared."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic.alias_generators import to_snake

from schemas.base import Message
from schemas.commands import AccountCommand, PublishPolicy, Query, Settle, Tick, Void
from schemas.events import (
    Allocated,
    AllowanceChanged,
    Consumed,
    Event,
    HoldExpired,
    LimitsSet,
    Reserved,
    Revoked,
    Settled,
    TierSet,
    Voided,
)
from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from schemas.replies import ProviderReading, Reply
from tests.simulation.product import Decided, ProductPartition
from tests.simulation.reference import QUOTA, ReferenceAccount
from tests.simulation.reference_book import ReferenceAnswer, ReferenceReading
from tests.simulation.reference_quota import Quota
from tests.simulation.strategies import REPLY_TO

WAKEUP_SLACK_MS = 10_000
"""How late a tick may notice an expiry: accounts are listed by spans of ten seconds."""

POTS = (
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
)
MOVING = (
    Allocated | AllowanceChanged | Consumed | HoldExpired | Reserved | Revoked | Settled | Voided
)
CHARGING = Consumed | Reserved | Settled | Voided | HoldExpired


class Pair:
    """A partition of the product and the reference's accounts on it, given the same commands."""

    def __init__(self, accounts: Sequence[str], product: ProductPartition) -> None:
        self.account_ids = tuple(accounts)
        self.product = product
        self.accounts: dict[str, ReferenceAccount] = {}
        self.hold_names: dict[str, str] = {}
        """The reference's name of each hold, by the product's."""
        self.pots: dict[tuple[str, str], Counter[str]] = {}

    def copied(self) -> "Pair":
        """Both sides as they are now, on the product's side as after a restart."""
        twin = Pair(self.account_ids, self.product.copied())
        twin.accounts = {name: account.copied() for name, account in self.accounts.items()}
        twin.hold_names = dict(self.hold_names)
        twin.pots = {key: Counter(pots) for key, pots in self.pots.items()}
        return twin

    # Commands

    def publish(self, policy: PolicyDocument, now_ms: int) -> None:
        """Give the partition a policy; the first one makes the accounts."""
        command = PublishPolicy(
            command_id=f"policy-{policy.version}", reply_to=REPLY_TO, policy=policy
        )
        decided = self.product.decide([command], now_ms)
        assert [reply.outcome for reply in decided.replies] == [Outcome.APPLIED]
        for name in self.account_ids:
            account = self.accounts.setdefault(name, ReferenceAccount(name, policy))
            account.policy = policy

    def tick(self, now_ms: int) -> None:
        """Tick until nothing is due; an account may be woken late, but not by more than allowed."""
        while self.product.is_due(now_ms):
            self._tick_once(now_ms)
        self._tick_once(now_ms)
        wakeup_ms = self.product.next_wakeup_ms()
        for account in self.accounts.values():
            for hold in account.open_holds():
                assert now_ms < hold.deadline_ms + WAKEUP_SLACK_MS
                assert wakeup_ms is not None
                assert wakeup_ms <= hold.deadline_ms + WAKEUP_SLACK_MS

    def _tick_once(self, now_ms: int) -> None:
        decided = self.product.decide([Tick()], now_ms)
        assert decided.replies == []
        for name in {event.account for event in decided.events if event.account}:
            self.accounts[name].close_expired(now_ms)
        self._check_events(decided.events)

    def decide(self, commands: Sequence[AccountCommand], now_ms: int) -> list[ReferenceAnswer]:
        """Give both sides one record of commands and compare all that comes of it."""
        offset = self.product.next_offset
        decided = self.product.decide(commands, now_ms)
        assert len(decided.replies) == len(commands)
        answers = []
        for index, (command, reply) in enumerate(zip(commands, decided.replies, strict=True)):
            account = self.accounts[command.account]
            answer = account.decide(self._as_named(command), now_ms, (offset, index))
            self._check_answer(reply, answer)
            answers.append(answer)
        self._check_events(decided.events)
        self._check_reply_digests(commands, decided)
        return answers

    def _as_named(self, command: AccountCommand) -> AccountCommand:
        if isinstance(command, Settle | Void):
            name = self.hold_names.get(command.hold_id, command.hold_id)
            return command.model_copy(update={"hold_id": name})
        return command

    # Comparisons

    def _check_answer(self, reply: Reply, answer: ReferenceAnswer) -> None:
        if reply.outcome is Outcome.GRANTED and reply.hold and answer.hold_id:
            known = self.hold_names.setdefault(reply.hold.id, answer.hold_id)
            assert known == answer.hold_id
        violations = {
            QUOTA if violation.outcome == Outcome.QUOTA_EXHAUSTED else violation.name: violation
            for violation in reply.violations
        }
        assert len(violations) == len(reply.violations)
        found = ReferenceAnswer(
            outcome=reply.outcome,
            violations={name: found.retry_after_ms for name, found in violations.items()},
            outcomes={name: Outcome(found.outcome) for name, found in violations.items()},
            retry_after_ms=reply.retry_after_ms,
            tokens=reply.tokens if answer.tokens is not None else None,
            hold_id=self.hold_names.get(reply.hold.id) if reply.hold else None,
            hold_state=reply.hold.state if reply.hold else None,
            replayed=reply.replayed,
        )
        assert found == answer, f"product {found}\nreference {answer}"

    def _check_events(self, events: Sequence[Event]) -> None:
        """Add up what the events move; compare each pot, each level, and the invariant."""
        levels: dict[tuple[str, str, str], tuple[int, int]] = {}
        for event in events:
            if not isinstance(event, MOVING) or event.account is None:
                continue
            pots = self.pots.setdefault((event.account, event.provider), Counter())
            for pot, tokens in event.quota_move.items():
                pots[pot] += tokens
            check_invariant(pots)
            if isinstance(event, CHARGING):
                for change in event.limits:
                    limit = (event.account, event.provider, change.name)
                    levels[limit] = (change.after, event.at_ms)
        for (name, provider), pots in self.pots.items():
            quota = self.accounts[name].quotas.get(provider, Quota())
            found = {pot: pots[pot] for pot in POTS}
            expected = {pot: getattr(quota, to_snake(pot)) for pot in POTS}
            assert found == expected, f"{provider}: product {found}\nreference {expected}"
        if any(isinstance(event, TierSet | LimitsSet) for event in events):
            return  # the levels are those of terms that the account has no longer
        for (name, provider, limit_name), (level, at_ms) in levels.items():
            expected_level = self.accounts[name].reading(provider, at_ms).used_milli[limit_name]
            assert level == expected_level, (provider, limit_name, level, expected_level)

    def _check_reply_digests(self, commands: Sequence[Message], decided: Decided) -> None:
        """Whoever changed something proves its reply by its last event."""
        proven = {
            event.command_id for event in decided.events if event.seal and event.seal.reply_digest
        }
        for command, reply in zip(commands, decided.replies, strict=True):
            if isinstance(command, Query) or reply.replayed:
                continue
            if reply.outcome is not Outcome.IDEMPOTENCY_CONFLICT:
                assert reply.command_id in proven

    def check_readings(self, now_ms: int) -> None:
        """Ask both, on copies, what every account would meet now."""
        product = self.product.copied()
        for name in self.account_ids:
            command = Query(command_id="reading", reply_to=REPLY_TO, account=name)
            [reply] = product.decide([command], now_ms).replies
            account = self.accounts[name].copied()
            account.close_expired(now_ms)
            assert reply.reading is not None
            assert reply.reading.status is account.status
            assert reply.reading.open_holds == len(account.open_holds())
            for found in reply.reading.providers:
                figures = _figures(found)
                expected = _expected_figures(account.reading(found.provider, now_ms))
                assert figures == expected, f"product {figures}\nreference {expected}"

    def check_denial(self, command: AccountCommand, retry_after_ms: int, now_ms: int) -> None:
        """The same command is denied a millisecond before its time and granted at its time."""
        for wait_ms, expected in ((retry_after_ms - 1, False), (retry_after_ms, True)):
            twin = self.copied()
            [answer] = twin.decide([command], now_ms + wait_ms)
            assert (answer.outcome is Outcome.GRANTED) is expected


def check_invariant(pots: Mapping[str, int]) -> None:
    """The design's invariant on what the product's events have moved so far."""
    held = pots["held"] + pots["heldPast"] + pots["purchasedHeld"]
    free_allowance = pots["allowance"] - pots["spent"] - pots["held"]
    balance = pots["purchased"] - pots["revoked"]
    free_purchased = balance - pots["purchasedSpent"] - pots["purchasedHeld"]
    remaining = free_allowance + free_purchased
    assert min([free_allowance, free_purchased, *pots.values()], default=0) >= 0, pots
    assert pots["debt"] == 0 or remaining == 0, pots
    came = pots["granted"] + balance - pots["lapsed"]
    assert came == pots["charged"] + held + remaining - pots["debt"], pots


def _figures(found: ProviderReading) -> dict[str, object]:
    quota = found.quota
    return {
        "allowance": quota.allowance_tokens,
        "total": quota.total_tokens,
        "remaining": quota.remaining_tokens,
        "held": quota.held_tokens,
        "debt": quota.debt_tokens,
        "reset": quota.reset_at_ms,
        "limits": [(limit.name, limit.used) for limit in found.limits],
    }


def _expected_figures(
    expected: ReferenceReading,
) -> dict[str, object]:
    return {
        "allowance": expected.allowance_tokens,
        "total": expected.total_tokens,
        "remaining": expected.remaining_tokens,
        "held": expected.held_tokens,
        "debt": expected.debt_tokens,
        "reset": expected.reset_at_ms,
        "limits": [(name, -(-used // 1000)) for name, used in expected.used_milli.items()],
    }
