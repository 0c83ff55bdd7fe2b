"""A second, naive implementation of the rules of a decision, written from docs/rules.md alone.

It imports neither `state` nor `pipelines`. Clarity goes before speed: exact fractions, every hold
kept for ever, and a denial's `retry_after_ms` found by asking a copy of the account at later times.
"""

from dataclasses import replace
from itertools import pairwise

from schemas.commands import (
    AccountCommand,
    AccountStatus,
    Admission,
    Allocate,
    Consume,
    Privileged,
    Query,
    Reserve,
    Revoke,
    SetLimits,
    SetStatus,
    SetTier,
    Settle,
    Void,
)
from schemas.limits import LimitKind
from schemas.outcomes import Outcome
from schemas.replies import HoldState
from tests.simulation.reference_book import (
    AccountBook,
    Hold,
    Place,
    ReferenceAnswer,
    Remembered,
    hold_name,
)
from tests.simulation.reference_limits import LimitTerms
from tests.simulation.reference_quota import Quota

QUOTA = "quota"
OPEN_HOLDS = "open-holds"
LONGEST_WAIT_MS = 2**53
"""A longer wait counts as none."""


class ReferenceAccount(AccountBook):
    """One account. `policy` is replaced from outside when the partition applies another."""

    # Deciding

    def decide(self, command: AccountCommand, now_ms: int, place: Place) -> ReferenceAnswer:
        """Decide one command, steps 3 to 5 of the page."""
        self.close_expired(now_ms)
        repeated = self.repeated(command, now_ms)
        if repeated is not None:
            return repeated
        answer = self._decided(command, now_ms, place)
        self._remember(command, answer, now_ms)
        return answer

    def _decided(self, command: AccountCommand, now_ms: int, place: Place) -> ReferenceAnswer:
        match command:
            case Query():
                return ReferenceAnswer(Outcome.ANSWERED)
            case Consume() | Reserve():
                return self._admit(command, now_ms, place)
            case Settle():
                return self._settle(command, now_ms)
            case Void():
                return self._void(command, now_ms)
            case _:
                return self._administer(command, now_ms)

    def _administer(self, command: Privileged, now_ms: int) -> ReferenceAnswer:
        match command:
            case SetTier(tier=tier) if tier is not None and not self.knows_tier(tier):
                return ReferenceAnswer(Outcome.UNKNOWN_TIER)
            case SetTier(tier=tier):
                self.tier_name = tier
            case SetStatus(status=status):
                self.status = status
            case SetLimits(provider=provider, limits=()):
                self.own_limits[provider] = ()
            case Revoke(provider=provider) if provider in self.quotas:
                return self._move_balance(command, now_ms)
            case _ if command.provider not in self.policy.providers:
                return ReferenceAnswer(Outcome.UNKNOWN_PROVIDER)
            case SetLimits(provider=provider, limits=limits):
                self.own_limits[provider] = limits
            case Allocate() | Revoke():
                return self._move_balance(command, now_ms)
        return ReferenceAnswer(Outcome.APPLIED)

    # Repeats

    def repeated(self, command: AccountCommand, now_ms: int) -> ReferenceAnswer | None:
        """The answer to a command whose id is remembered, None for any other command."""
        entry = self.remembered.get(command.command_id)
        if entry is None or (entry.until_ms is not None and now_ms >= entry.until_ms):
            return None
        if entry.payload != payload_of(command):
            return ReferenceAnswer(Outcome.IDEMPOTENCY_CONFLICT)
        hold_id = entry.answer.hold_id
        state = None if hold_id is None else self.holds[hold_id].state
        return replace(entry.answer, replayed=True, hold_state=state)

    def _remember(self, command: AccountCommand, answer: ReferenceAnswer, now_ms: int) -> None:
        if answer.outcome not in (Outcome.GRANTED, Outcome.APPLIED):
            return
        until_ms = None
        if isinstance(command, Consume | Reserve):
            until_ms = now_ms + self.policy.recent_command_ttl_ms
        self.remembered[command.command_id] = Remembered(payload_of(command), answer, until_ms)

    # Consume and reserve

    def _admit(self, command: Admission, now_ms: int, place: Place) -> ReferenceAnswer:
        if self.status is AccountStatus.SUSPENDED:
            return ReferenceAnswer(Outcome.ACCOUNT_SUSPENDED)
        if self.status is AccountStatus.CLOSED:
            return ReferenceAnswer(Outcome.ACCOUNT_CLOSED)
        if command.provider not in self.policy.providers:
            return ReferenceAnswer(Outcome.UNKNOWN_PROVIDER)
        failures = self.failures(command, now_ms)
        if failures:
            return self._denial(command, now_ms, failures)
        return self._grant(command, now_ms, place)

    def failures(self, command: Admission, now_ms: int) -> dict[str, Outcome]:
        """What refuses the command at `now_ms`, by name; expired holds must have been closed."""
        checks = {QUOTA: self._quota_failure(command, now_ms)}
        for terms in self.limit_terms(command.provider):
            checks[terms.name] = self._limit_failure(terms, command, now_ms)
        if isinstance(command, Reserve) and len(self.open_holds()) >= self.policy.max_open_holds:
            checks[OPEN_HOLDS] = Outcome.CONCURRENCY_LIMITED
        return {name: outcome for name, outcome in checks.items() if outcome is not None}

    def _quota_failure(self, command: Admission, now_ms: int) -> Outcome | None:
        enough = command.tokens <= self.as_if_granted(command.provider, now_ms).remaining
        return None if enough else Outcome.QUOTA_EXHAUSTED

    def _limit_failure(self, terms: LimitTerms, command: Admission, now_ms: int) -> Outcome | None:
        cost = terms.cost_milli(command.tokens)
        if cost > terms.capacity_milli:
            return Outcome.EXCEEDS_CAPACITY
        if self.level(command.provider, terms, now_ms) + cost <= terms.capacity_milli:
            return None
        if terms.kind is LimitKind.CONCURRENCY:
            return Outcome.CONCURRENCY_LIMITED
        return Outcome.RATE_LIMITED

    def _denial(
        self, command: Admission, now_ms: int, failures: dict[str, Outcome]
    ) -> ReferenceAnswer:
        self._open_window_against_debt(command.provider, now_ms)
        waits = {name: self.wait_ms(name, command, now_ms) for name in failures}
        known = [wait for wait in waits.values() if wait is not None]
        precedence = list(Outcome)
        return ReferenceAnswer(
            min(failures.values(), key=precedence.index),
            violations=waits,
            outcomes=failures,
            retry_after_ms=max(known) if len(known) == len(waits) else None,
        )

    def _open_window_against_debt(self, provider: str, now_ms: int) -> None:
        """A denial opens nothing, but for a window that pays debt."""
        quota = self.quotas.get(provider)
        if quota is not None and self.as_if_granted(provider, now_ms).debt < quota.debt:
            quota.notice_grant(now_ms, self.allowance_terms(provider))

    def wait_ms(self, name: str, command: Admission, now_ms: int) -> int | None:
        """The least wait after which `name` refuses no more, found by asking at later times.

        Between the instants at which a hold expires or a window ends there is only draining, and
        what once passes then goes on passing: halving finds the first passing millisecond.
        """
        future = self.copied()

        def refuses(at_ms: int) -> bool:
            return name in future.failures(command, at_ms)

        for instant_ms, next_ms in pairwise(self._instants(now_ms)):
            future.close_expired(instant_ms)
            if not refuses(instant_ms):
                return instant_ms - now_ms
            if refuses(next_ms - 1):
                continue
            refused_ms, passed_ms = instant_ms, next_ms - 1
            while passed_ms - refused_ms > 1:
                middle_ms = (refused_ms + passed_ms) // 2
                if refuses(middle_ms):
                    refused_ms = middle_ms
                else:
                    passed_ms = middle_ms
            return passed_ms - now_ms
        return None

    def _instants(self, now_ms: int) -> list[int]:
        """From now on, in order: when something else than draining happens, and the end of time."""
        deadlines = {hold.deadline_ms for hold in self.open_holds()}
        ends = {quota.window_end_ms for quota in self.quotas.values()}
        later = {instant for instant in deadlines | ends if instant > now_ms}
        return sorted({now_ms, now_ms + LONGEST_WAIT_MS + 1, *later})

    def _grant(self, command: Admission, now_ms: int, place: Place) -> ReferenceAnswer:
        provider, tokens = command.provider, command.tokens
        quota = self.quotas.setdefault(provider, Quota())
        quota.notice_grant(now_ms, self.allowance_terms(provider))
        charged = self.charge_limits(provider, tokens, now_ms)
        if isinstance(command, Consume):
            quota.charge(tokens)
            return ReferenceAnswer(Outcome.GRANTED, tokens=tokens)
        hold = Hold(
            id=hold_name(place),
            place=place,
            command_id=command.command_id,
            provider=provider,
            tokens=tokens,
            deadline_ms=now_ms + (command.hold_ttl_ms or self.policy.hold_ttl_ms),
            parts=quota.hold(tokens),
            charged=charged,
        )
        self.holds[hold.id] = hold
        return ReferenceAnswer(
            Outcome.GRANTED, tokens=tokens, hold_id=hold.id, hold_state=HoldState.OPEN
        )

    # Holds

    def _settle(self, command: Settle, now_ms: int) -> ReferenceAnswer:
        hold, tokens = self.holds.get(command.hold_id), command.tokens
        if hold is None or self._is_forgotten(hold, now_ms):
            return ReferenceAnswer(Outcome.HOLD_UNKNOWN)
        settled = ReferenceAnswer(
            Outcome.SETTLED, tokens=tokens, hold_id=hold.id, hold_state=HoldState.SETTLED
        )
        match hold.state:
            case HoldState.SETTLED if hold.settled_tokens == tokens:
                return replace(settled, replayed=True)
            case HoldState.SETTLED:
                return ReferenceAnswer(Outcome.HOLD_ALREADY_SETTLED)
            case HoldState.VOIDED:
                return ReferenceAnswer(Outcome.HOLD_ALREADY_VOIDED)
            case HoldState.OPEN:
                self.close(hold, HoldState.SETTLED, now_ms, used=min(tokens, hold.tokens))
                self.charge_more(hold, tokens - hold.tokens, now_ms, late=False)
            case HoldState.EXPIRED:
                self.charge_more(hold, tokens, now_ms, late=True)
                hold.state = HoldState.SETTLED
                hold.forgotten_ms = now_ms + self.policy.closed_hold_ttl_ms
        hold.settled_tokens = tokens
        return settled

    def _void(self, command: Void, now_ms: int) -> ReferenceAnswer:
        hold = self.holds.get(command.hold_id)
        if hold is None or self._is_forgotten(hold, now_ms):
            return ReferenceAnswer(Outcome.HOLD_UNKNOWN)
        voided = ReferenceAnswer(Outcome.VOIDED, hold_id=hold.id, hold_state=HoldState.VOIDED)
        match hold.state:
            case HoldState.SETTLED:
                return ReferenceAnswer(Outcome.HOLD_ALREADY_SETTLED)
            case HoldState.VOIDED:
                return replace(voided, replayed=True)
            case HoldState.EXPIRED:
                return ReferenceAnswer(Outcome.HOLD_EXPIRED)
            case HoldState.OPEN:
                self.close(hold, HoldState.VOIDED, now_ms, used=0)
                self.forget_reserve(hold)
        return voided

    def _is_forgotten(self, hold: Hold, now_ms: int) -> bool:
        return hold.state is not HoldState.OPEN and now_ms >= hold.forgotten_ms

    # Quotas

    def _move_balance(self, command: Allocate | Revoke, now_ms: int) -> ReferenceAnswer:
        quota = self.quotas.setdefault(command.provider, Quota())
        quota.notice_time(now_ms, self.allowance_terms(command.provider))
        if isinstance(command, Revoke):
            return ReferenceAnswer(Outcome.APPLIED, tokens=quota.revoke(command.tokens))
        quota.allocate(command.tokens)
        return ReferenceAnswer(Outcome.APPLIED, tokens=command.tokens)


def payload_of(command: AccountCommand) -> str:
    """What makes a repeat the same: the command without its id, reply address and signature."""
    return command.model_dump_json(exclude={"command_id", "reply_to", "signature"})
