"""The reference's account: what it remembers, what applies to it, and how holds are closed.

Written from docs/rules.md alone; `tests.simulation.reference` decides commands on it.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

from schemas.commands import AccountStatus
from schemas.limits import LimitKind, LimitRule, Unit
from schemas.outcomes import Outcome
from schemas.policies import ANY_PROVIDER, PolicyDocument, Tier
from schemas.replies import HoldState
from tests.simulation.reference_limits import (
    BUCKETS,
    MILLI,
    ChargedLimit,
    LimitMemory,
    LimitTerms,
    applying_limits,
    refund_milli,
    seen_at,
)
from tests.simulation.reference_quota import AllowanceTerms, HeldParts, Quota

Place = tuple[int, int]
"""Where a command stands: its record's offset, and which command of the record it is."""


@dataclass
class Hold:
    """A hold, kept for ever; from `forgotten_ms` on the rules know it no more."""

    id: str
    place: Place
    command_id: str
    provider: str
    tokens: int
    deadline_ms: int
    parts: HeldParts
    charged: dict[str, ChargedLimit]
    state: HoldState = HoldState.OPEN
    settled_tokens: int | None = None
    forgotten_ms: int = 0


@dataclass(frozen=True)
class ReferenceAnswer:
    """What the rules say of one command; the figures are those after it, None where none apply."""

    outcome: Outcome
    violations: dict[str, int | None] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    retry_after_ms: int | None = None
    tokens: int | None = None
    hold_id: str | None = None
    hold_state: HoldState | None = None
    replayed: bool = False


@dataclass(frozen=True)
class ReferenceReading:
    """What a command would meet: the quota's figures, and what is used of each limit, in order."""

    allowance_tokens: int
    total_tokens: int
    remaining_tokens: int
    held_tokens: int
    debt_tokens: int
    reset_at_ms: int | None
    used_milli: dict[str, int]


@dataclass(frozen=True)
class Remembered:
    """A command that took effect; `until_ms` None: for ever."""

    payload: str
    answer: ReferenceAnswer
    until_ms: int | None


class AccountBook:
    """One account. `policy` is replaced from outside when the partition applies another."""

    def __init__(self, account_id: str, policy: PolicyDocument) -> None:
        self.account_id = account_id
        self.policy = policy
        self.tier_name: str | None = None
        self.status = AccountStatus.OPEN
        self.own_limits: dict[str, tuple[LimitRule, ...]] = {}
        self.quotas: dict[str, Quota] = {}
        self.memories: dict[tuple[str, str], LimitMemory] = {}
        self.lives = 0
        self.holds: dict[str, Hold] = {}
        self.remembered: dict[str, Remembered] = {}

    def copied(self) -> Self:
        """The account as a separate one: what happens to either does not touch the other."""
        twin = copy(self)
        twin.own_limits = dict(self.own_limits)
        twin.quotas = {provider: copy(quota) for provider, quota in self.quotas.items()}
        twin.memories = dict(self.memories)
        twin.holds = {hold_id: copy(hold) for hold_id, hold in self.holds.items()}
        twin.remembered = dict(self.remembered)
        return twin

    # What applies

    @property
    def tier(self) -> Tier:
        name = self.tier_name or ""
        name = self.policy.tier_aliases.get(name, name)
        if name in self.policy.tiers:
            return self.policy.tiers[name]
        defaults = self.policy.default_tiers
        return self.policy.tiers[
            defaults.user if self.account_id.startswith("user:") else defaults.org
        ]

    def knows_tier(self, name: str) -> bool:
        return name in self.policy.tiers or name in self.policy.tier_aliases

    def allowance_terms(self, provider: str) -> AllowanceTerms:
        allowances = self.tier.allowances
        tokens = allowances.get(provider, allowances.get(ANY_PROVIDER, 0))
        return AllowanceTerms(tokens, self.tier.window.length_ms)

    def limit_terms(self, provider: str) -> list[LimitTerms]:
        rules = self.policy.limits.get(provider, self.policy.limits.get(ANY_PROVIDER, ()))
        return applying_limits(rules, self.tier.multiplier, self.own_limits.get(provider, ()))

    # Holds

    def open_holds(self) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.state is HoldState.OPEN]

    def close_expired(self, now_ms: int) -> None:
        """Close what has expired by now, each as of its deadline, in order."""
        expired = [hold for hold in self.open_holds() if now_ms >= hold.deadline_ms]
        for hold in sorted(expired, key=lambda hold: (hold.deadline_ms, hold.place)):
            self.close(hold, HoldState.EXPIRED, hold.deadline_ms, used=0)
            self.forget_reserve(hold)

    def forget_reserve(self, hold: Hold) -> None:
        entry = self.remembered.get(hold.command_id)
        if entry is not None and entry.answer.hold_id == hold.id:
            del self.remembered[hold.command_id]

    def close(self, hold: Hold, state: HoldState, at_ms: int, used: int) -> None:
        """Close an open hold with `used` tokens; what is unused goes back to where it came from."""
        quota = self.quotas[hold.provider]
        quota.notice_time(at_ms, self.allowance_terms(hold.provider))
        quota.close_hold(hold.parts, used)
        request_milli = 0 if state is HoldState.SETTLED else MILLI
        for terms in self.limit_terms(hold.provider):
            charged = hold.charged.get(terms.name)
            if charged is None or terms.kind is LimitKind.CONCURRENCY:
                continue
            in_tokens = terms.unit is Unit.TOKENS
            unused_milli = (hold.tokens - used) * MILLI if in_tokens else request_milli
            memory = self._memory(hold.provider, terms, at_ms)
            refund = refund_milli(charged, memory, unused_milli)
            if refund > 0 and memory.level > 0:  # else the bucket does not change
                self._keep(hold.provider, terms, memory.lowered(refund))
        hold.state = state
        hold.forgotten_ms = at_ms + self.policy.closed_hold_ttl_ms

    def charge_more(self, hold: Hold, extra: int, now_ms: int, *, late: bool) -> None:
        """Charge what no hold covers, whatever the limits say; `late`: the request itself too."""
        provider = hold.provider
        quota = self.quotas[provider]
        allowance = self.allowance_terms(provider)
        if extra > 0:
            quota.notice_grant(now_ms, allowance)
            quota.charge(extra)
        elif late:
            quota.notice_time(now_ms, allowance)
        for terms in self.limit_terms(provider):
            in_tokens = terms.unit is Unit.TOKENS
            more_milli = max(0, extra) * MILLI if in_tokens else MILLI * late
            if terms.kind is not LimitKind.CONCURRENCY and more_milli:
                memory = self._memory(provider, terms, now_ms)
                self._keep(provider, terms, memory.raised(more_milli))

    # Limits

    def _memory(self, provider: str, terms: LimitTerms, at_ms: int) -> LimitMemory:
        return seen_at(self.memories.get((provider, terms.name)), terms, at_ms)

    def _keep(self, provider: str, terms: LimitTerms, memory: LimitMemory) -> LimitMemory:
        if memory.life is None:
            self.lives += 1
            memory = replace(memory, life=self.lives)
        self.memories[provider, terms.name] = memory
        return memory

    def level(self, provider: str, terms: LimitTerms, at_ms: int) -> int:
        if terms.kind is not LimitKind.CONCURRENCY:
            return self._memory(provider, terms, at_ms).used_milli
        holds = [hold for hold in self.open_holds() if hold.provider == provider]
        return sum(terms.cost_milli(hold.tokens) for hold in holds)

    def charge_limits(self, provider: str, tokens: int, at_ms: int) -> dict[str, ChargedLimit]:
        charged = {}
        for terms in self.limit_terms(provider):
            if terms.kind is LimitKind.CONCURRENCY:
                continue
            memory = self._memory(provider, terms, at_ms).raised(terms.cost_milli(tokens))
            kept = self._keep(provider, terms, memory)
            charged[terms.name] = ChargedLimit(kept.life, kept.drained, kept.window_start_ms)
        return charged

    def as_if_granted(self, provider: str, now_ms: int) -> Quota:
        quota = copy(self.quotas.get(provider, Quota()))
        quota.notice_grant(now_ms, self.allowance_terms(provider))
        return quota

    # Reading

    def reading(self, provider: str, now_ms: int) -> ReferenceReading:
        """What a command to `provider` would meet; expired holds must have been closed."""
        quota = self.as_if_granted(provider, now_ms)
        real = self.quotas.get(provider, Quota())
        is_open = real.window_start_ms is not None and now_ms < real.window_end_ms
        return ReferenceReading(
            allowance_tokens=quota.allowance,
            total_tokens=quota.total,
            remaining_tokens=quota.remaining,
            held_tokens=quota.all_held,
            debt_tokens=quota.debt,
            reset_at_ms=real.window_end_ms if is_open else None,
            used_milli={
                terms.name: self.level(provider, terms, now_ms)
                for terms in self.limit_terms(provider)
            },
        )

    def instants_of_interest(self, now_ms: int) -> Iterator[int]:
        """Times at which, or just before or after which, something is about to change."""
        yield from (hold.deadline_ms for hold in self.open_holds())
        yield from (hold.forgotten_ms for hold in self.holds.values() if hold.forgotten_ms)
        yield from (quota.window_end_ms for quota in self.quotas.values())
        yield from (entry.until_ms for entry in self.remembered.values() if entry.until_ms)
        for (provider, name), memory in self.memories.items():
            for terms in self.limit_terms(provider):
                if terms.name != name or terms.kind is not memory.kind:
                    continue
                if terms.kind in BUCKETS and terms.rate:
                    yield memory.at_ms + -int(-memory.level // terms.rate)
                elif terms.window_ms:
                    yield now_ms - now_ms % terms.window_ms + terms.window_ms


def hold_name(place: Place) -> str:
    """How the reference calls the hold that the reserve at `place` makes."""
    return f"hold_{place[0]:06}_{place[1]:03}"
