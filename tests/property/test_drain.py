"""Draining is exact: however an interval is split, the level is the closed form's."""

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from state.drain import DRAINED_WRAPS_AT, accrue, drain, drained_since, time_to_drain

levels = st.integers(0, 10**7) | st.integers(0, 10**18)
amounts = st.integers(0, 10**5) | st.integers(0, 10**15)
periods = st.integers(1, 5000) | st.integers(1, 10**10)
elapses = st.integers(0, 5000) | st.integers(0, 10**9)
splits = st.lists(elapses, max_size=6)


@st.composite
def exact_levels(draw: st.DrawFn) -> tuple[int, int, int]:
    """(level, remainder, period): an exact level that is not below zero."""
    period = draw(periods)
    level = draw(levels)
    remainder = draw(st.integers(0, period - 1)) if level else 0
    return level, remainder, period


@given(exact_levels(), amounts, splits)
def test_any_split_of_an_interval_ends_at_the_closed_forms_level(
    start: tuple[int, int, int], amount: int, split: list[int]
) -> None:
    level, remainder, period = start
    exact = max(
        Fraction(0), level - Fraction(remainder, period) - Fraction(amount * sum(split), period)
    )
    for elapsed in split:
        level, remainder = drain(level, remainder, elapsed, amount, period)
        assert 0 <= remainder < period
    assert level - Fraction(remainder, period) == exact


@given(exact_levels(), amounts, splits)
def test_what_drained_is_the_unclipped_sum_rounded_down(
    start: tuple[int, int, int], amount: int, split: list[int]
) -> None:
    total, remainder, period = start
    exact = total + Fraction(remainder, period) + Fraction(amount * sum(split), period)
    for elapsed in split:
        total, remainder = accrue(total, remainder, elapsed, amount, period)
        assert 0 <= total < DRAINED_WRAPS_AT
    assert total == floor(exact) % DRAINED_WRAPS_AT
    assert Fraction(remainder, period) == exact - floor(exact)


@given(st.integers(0, DRAINED_WRAPS_AT - 1), st.integers(0, DRAINED_WRAPS_AT - 1))
def test_what_drained_since_a_moment_is_exact_where_the_sum_started_over(
    then: int, more: int
) -> None:
    total, _ = accrue(then, 0, more, 1, 1)
    assert drained_since(total, then) == more


@given(exact_levels(), amounts, st.integers(0, 10**9))
def test_the_time_to_drain_is_enough_and_a_millisecond_less_is_not(
    start: tuple[int, int, int], amount: int, need: int
) -> None:
    _, remainder, period = start
    level = need + 1  # so that what is needed is there to drain
    wait = time_to_drain(need, remainder, amount, period)
    if wait is None:
        assert need > 0
        assert amount == 0 or Fraction(need * period, amount) > 2**53
        return
    assert drain(level, remainder, wait, amount, period)[0] <= level - need
    if wait > 0:
        assert drain(level, remainder, wait - 1, amount, period)[0] > level - need


@given(periods, amounts)
def test_nothing_needs_no_time(period: int, amount: int) -> None:
    assert time_to_drain(0, 0, amount, period) == 0
    assert time_to_drain(-5, 0, amount, period) == 0


def test_a_level_never_falls_below_zero_and_then_has_no_remainder() -> None:
    assert drain(1000, 0, 1001, 1000, 1000) == (0, 0)
    assert drain(1000, 3, 333, 1000, 333) == (0, 0)


def test_what_never_drains_has_no_time() -> None:
    assert time_to_drain(1, 0, 0, 1000) is None
    assert time_to_drain(10**15, 0, 1, 10**10) is None
