"""Whatever happens to a quota, its pots add up, none is below zero, and debt is paid first."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from state import quotas
from state.quotas import EMPTY, POTS, Quota, check

WINDOW_MS = 1000
tokens = st.integers(1, 60)
allowances = st.sampled_from([0, 30, 100, 100, 170])


@dataclass(frozen=True)
class HeldTokens:
    """What an open hold holds."""

    of_allowance: int
    of_purchased: int
    window_start_ms: int | None


@dataclass
class Totals:
    """What a plain reading of the rules says was given and taken."""

    purchased: int = 0
    revoked: int = 0
    charged: int = 0
    holds: list[HeldTokens] = field(default_factory=list)


class QuotaLife(RuleBasedStateMachine):
    """A quota under every operation, in any order, under changing terms."""

    def __init__(self) -> None:
        super().__init__()
        self.quota = EMPTY
        self.now_ms = 5000
        self.allowance = 100
        self.totals = Totals()

    @rule(elapsed_ms=st.sampled_from([1, 400, 999, 1000, 2500]))
    def time_passes(self, elapsed_ms: int) -> None:
        self.now_ms += elapsed_ms

    @rule(allowance=allowances)
    def terms_change(self, allowance: int) -> None:
        self.allowance = allowance

    @rule(opening=st.booleans())
    def is_renewed(self, opening: bool) -> None:
        self._renew(opening=opening)
        if opening:
            assert self.quota.window_end_ms is not None
            assert self.quota.window_end_ms > self.now_ms
        free = self.quota.free_allowance
        assert free <= max(0, self.allowance - self.quota.spent - self.quota.held)

    @rule(asked=tokens)
    def consumes_what_remains(self, asked: int) -> None:
        self._renew(opening=True)
        if asked <= self.quota.remaining:
            self.quota = quotas.charged(self.quota, asked)
            self.totals.charged += asked
            assert self.quota.debt == 0

    @rule(asked=tokens)
    def holds_what_remains(self, asked: int) -> None:
        self._renew(opening=True)
        if asked > self.quota.remaining:
            return
        remaining = self.quota.remaining
        parts = quotas.split(self.quota, asked)
        assert sum(parts) == asked
        assert parts[1] == 0 or parts[0] == self.quota.free_allowance
        self.quota = quotas.held(self.quota, *parts)
        assert self.quota.remaining == remaining - asked
        self.totals.holds.append(HeldTokens(*parts, self.quota.window_start_ms))

    @precondition(lambda self: self.totals.holds)
    @rule(
        place=st.integers(0, 100), percent=st.sampled_from([0, 40, 100]), extra=st.integers(0, 90)
    )
    def closes_a_hold(self, place: int, percent: int, extra: int) -> None:
        hold = self.totals.holds.pop(place % len(self.totals.holds))
        self._renew(opening=extra > 0)
        used = (hold.of_allowance + hold.of_purchased) * percent // 100
        debt, remaining = self.quota.debt, self.quota.remaining
        still_open = hold.window_start_ms == self.quota.window_start_ms
        self.quota = quotas.closed(
            self.quota, hold.of_allowance, hold.of_purchased, hold.window_start_ms, used
        )
        back = hold.of_purchased - max(0, used - hold.of_allowance)
        back += max(0, hold.of_allowance - used) if still_open else 0
        assert self.quota.debt == max(0, debt - back)
        assert self.quota.remaining == remaining + max(0, back - debt)
        self.quota = quotas.charged(self.quota, extra)
        self.totals.charged += used + extra

    @rule(bought=tokens)
    def is_allocated(self, bought: int) -> None:
        self._renew(opening=False)
        debt, remaining = self.quota.debt, self.quota.remaining
        self.quota = quotas.allocated(self.quota, bought)
        self.totals.purchased += bought
        assert self.quota.debt == max(0, debt - bought)
        assert self.quota.remaining == remaining + max(0, bought - debt)

    @rule(asked=tokens)
    def is_revoked(self, asked: int) -> None:
        self._renew(opening=False)
        free = self.quota.free_purchased
        self.quota = quotas.revoked(self.quota, asked)
        self.totals.revoked += min(asked, free)

    @invariant()
    def adds_up(self) -> None:
        quota = check(self.quota)
        assert min(getattr(quota, pot) for pot in POTS) >= 0
        assert quota.remaining == 0 or quota.debt == 0
        assert quota.purchased == self.totals.purchased
        assert quota.revoked == self.totals.revoked
        assert quota.charged == self.totals.charged
        held = sum(hold.of_allowance + hold.of_purchased for hold in self.totals.holds)
        assert quota.held_in_all == held

    def _renew(self, *, opening: bool) -> None:
        before = self.quota
        self.quota = quotas.renewed(before, self.allowance, WINDOW_MS, self.now_ms, opening=opening)
        assert (
            quotas.renewed(self.quota, self.allowance, WINDOW_MS, self.now_ms, opening=opening)
            is self.quota
        )
        moved = quotas.moved(
            _with_window_of(self.quota, before), quotas.difference(before, self.quota)
        )
        assert moved == self.quota


def _with_window_of(quota: Quota, pots: Quota) -> Quota:
    return Quota(quota.window_start_ms, quota.window_end_ms, *(getattr(pots, pot) for pot in POTS))


TestAQuotaAddsUpWhateverHappens = QuotaLife.TestCase

any_pots = st.tuples(*(st.integers(0, 10**15) for _ in POTS))


@given(any_pots, any_pots)
def test_a_difference_names_what_changed_and_nothing_else(
    before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    move = quotas.difference(Quota(None, None, *before), Quota(None, None, *after))
    assert 0 not in move.values()
    added = [old + move.get(pot, 0) for pot, old in zip(POTS, before, strict=True)]
    assert tuple(added) == after


@given(st.sampled_from(POTS), st.integers(1, 10**12))
def test_a_move_of_one_pot_alone_never_adds_up(pot: str, more: int) -> None:
    try:
        quotas.moved(EMPTY, {pot: more})
    except quotas.QuotaBrokenError:
        return
    # What is given and free at once adds up alone; what is taken or owed does not.
    assert pot == "purchased"
