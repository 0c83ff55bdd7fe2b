"""Limits hold their figures at any moment, and their forecasts are exact."""

from dataclasses import replace
from fractions import Fraction

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from state.limits import (
    FIXED_WINDOW,
    LEAKY_BUCKET,
    REQUESTS,
    TOKEN_BUCKET,
    TOKENS,
    LimitTerms,
    Meter,
    charged,
    mark,
    meter_at,
    refunded,
    reset_after_ms,
    retry_after_ms,
)

START_MS = 1_728_000_000_123
kinds = st.sampled_from([LEAKY_BUCKET, TOKEN_BUCKET, FIXED_WINDOW])
bucket_kinds = st.sampled_from([LEAKY_BUCKET, TOKEN_BUCKET])
tokens = st.integers(1, 2000)
elapses = st.integers(0, 3000) | st.integers(0, 10**7)


@st.composite
def limit_terms(draw: st.DrawFn, kind: st.SearchStrategy[str] = kinds) -> LimitTerms:
    chosen = draw(kind)
    return LimitTerms(
        "limit",
        chosen,
        draw(st.sampled_from([TOKENS, REQUESTS])),
        draw(st.integers(1, 2000)) * 1000,
        0 if chosen == FIXED_WINDOW else draw(st.sampled_from([0, 1, 7, 10, 333])) * 1000,
        draw(st.sampled_from([1, 3, 7, 333, 1000, 60_000])),
    )


@st.composite
def used_meters(draw: st.DrawFn, terms: LimitTerms) -> Meter:
    """A meter with a past of charges that passed."""
    now = START_MS
    meter = meter_at(None, terms, now)
    for elapsed, cost in draw(st.lists(st.tuples(elapses, tokens), max_size=5)):
        now += elapsed
        meter = meter_at(meter, terms, now)
        if passes(meter, terms, terms.cost(cost)):
            meter = charged(meter, terms.cost(cost))
    return meter


def passes(meter: Meter, terms: LimitTerms, cost_milli: int) -> bool:
    return meter.level + cost_milli <= terms.capacity_milli


@given(st.data(), limit_terms(), tokens)
def test_a_charge_is_refused_until_its_retry_and_passes_at_it(
    data: st.DataObject, terms: LimitTerms, requested: int
) -> None:
    meter = data.draw(used_meters(terms))
    cost = terms.cost(requested)
    wait = retry_after_ms(meter, terms, cost)
    if wait is None:
        if cost <= terms.capacity_milli:
            assert terms.amount_milli == 0
            later = meter_at(meter, terms, meter.updated_ms + 10**12)
            assert not passes(later, terms, cost)
        return
    assert passes(meter_at(meter, terms, meter.updated_ms + wait), terms, cost)
    if wait > 0:
        before = meter_at(meter, terms, meter.updated_ms + wait - 1)
        assert not passes(before, terms, cost)


@given(st.data(), limit_terms())
def test_nothing_is_used_any_more_from_the_reset_on_and_something_until_then(
    data: st.DataObject, terms: LimitTerms
) -> None:
    meter = data.draw(used_meters(terms))
    wait = reset_after_ms(meter, terms)
    if wait is None:
        assert meter_at(meter, terms, meter.updated_ms + 10**12).level > 0
        return
    assert meter_at(meter, terms, meter.updated_ms + wait).level == 0
    if wait > 0:
        assert meter_at(meter, terms, meter.updated_ms + wait - 1).level > 0


@given(st.data(), limit_terms(), st.lists(elapses, max_size=5))
def test_looking_at_a_meter_in_between_changes_nothing(
    data: st.DataObject, terms: LimitTerms, split: list[int]
) -> None:
    meter = data.draw(used_meters(terms))
    at_once = meter_at(meter, terms, meter.updated_ms + sum(split))
    for elapsed in split:
        meter = meter_at(meter, terms, meter.updated_ms + elapsed)
    assert meter == at_once


@given(st.data(), limit_terms(), tokens, elapses)
def test_a_charge_given_back_leaves_what_would_be_without_it_or_more_but_never_less(
    data: st.DataObject, terms: LimitTerms, requested: int, elapsed: int
) -> None:
    without = data.draw(used_meters(terms))
    cost = terms.cost(requested)
    then = mark(without, cost)
    later = without.updated_ms + elapsed
    given_back = refunded(meter_at(charged(without, cost), terms, later), cost, then)
    never = meter_at(without, terms, later)
    assert exact(given_back, terms) >= exact(never, terms)
    if elapsed == 0:
        assert given_back == never


@given(st.data(), limit_terms(bucket_kinds), tokens, elapses)
def test_a_bucket_gives_back_what_was_unused_less_what_leaked_since(
    data: st.DataObject, terms: LimitTerms, requested: int, elapsed: int
) -> None:
    meter = data.draw(used_meters(terms))
    cost = terms.cost(requested)
    then = mark(meter, cost)
    drained_then = meter.drained + Fraction(meter.drained_remainder, terms.period_ms)
    meter = meter_at(charged(meter, cost), terms, meter.updated_ms + elapsed)
    leaked = int(drained_then + Fraction(terms.amount_milli * elapsed, terms.period_ms)) - int(
        drained_then
    )
    back = max(0, cost - leaked)
    assert refunded(meter, cost, then).level == max(0, meter.level - back)


@given(st.data(), limit_terms(), limit_terms(), tokens, elapses)
def test_a_meter_that_started_anew_gets_nothing_back(
    data: st.DataObject, terms: LimitTerms, new: LimitTerms, requested: int, elapsed: int
) -> None:
    lengths_differ = terms.period_ms != new.period_ms and new.kind == FIXED_WINDOW
    assume(terms.kind != new.kind or lengths_differ)
    meter = data.draw(used_meters(terms))
    then = mark(meter, terms.cost(requested))
    meter = charged(meter, terms.cost(requested))
    anew = meter_at(meter, new, meter.updated_ms + elapsed)
    assert anew.level == 0
    assert anew.generation == meter.generation + 1
    in_use = charged(anew, 5000)
    assert refunded(in_use, terms.cost(requested), then) == in_use


@given(st.data(), limit_terms(st.just(FIXED_WINDOW)), elapses)
def test_a_window_forgets_at_each_multiple_of_its_length(
    data: st.DataObject, terms: LimitTerms, elapsed: int
) -> None:
    meter = data.draw(used_meters(terms))
    later = meter_at(meter, terms, meter.updated_ms + elapsed)
    assert later.window_start_ms == later.updated_ms // terms.period_ms * terms.period_ms
    same = later.window_start_ms == meter.window_start_ms
    assert later.level == (meter.level if same else 0)


@given(st.data(), limit_terms(st.just(TOKEN_BUCKET)), st.integers(1, 3000))
def test_a_token_bucket_of_another_capacity_keeps_what_is_available_at_most_the_new_one(
    data: st.DataObject, terms: LimitTerms, capacity: int
) -> None:
    meter = data.draw(used_meters(terms))
    new = replace(terms, capacity_milli=capacity * 1000)
    available = meter.capacity_milli - exact(meter, terms)
    changed = meter_at(meter, new, meter.updated_ms)
    assert new.capacity_milli - exact(changed, new) == min(available, new.capacity_milli)


@given(st.data(), limit_terms(st.just(LEAKY_BUCKET)), st.integers(1, 3000))
def test_a_leaky_bucket_of_another_capacity_keeps_its_level(
    data: st.DataObject, terms: LimitTerms, capacity: int
) -> None:
    meter = data.draw(used_meters(terms))
    new = replace(terms, capacity_milli=capacity * 1000)
    changed = meter_at(meter, new, meter.updated_ms)
    assert exact(changed, new) == exact(meter, terms)


@given(st.data(), limit_terms(bucket_kinds), st.sampled_from([2, 11, 999]), elapses)
def test_another_period_drops_the_remainders_and_counts_from_the_last_change(
    data: st.DataObject, terms: LimitTerms, period: int, elapsed: int
) -> None:
    meter = data.draw(used_meters(terms))
    new = replace(terms, period_ms=period)
    whole = msgspec.structs.replace(meter, remainder=0, drained_remainder=0, period_ms=period)
    later = meter.updated_ms + elapsed
    assert meter_at(meter, new, later) == meter_at(whole, new, later)


@given(limit_terms(bucket_kinds), tokens)
def test_a_new_bucket_passes_whatever_fits_it(terms: LimitTerms, requested: int) -> None:
    cost = terms.cost(requested)
    wait = retry_after_ms(meter_at(None, terms, START_MS), terms, cost)
    assert wait == (0 if cost <= terms.capacity_milli else None)


def exact(meter: Meter, terms: LimitTerms) -> Fraction:
    """The level with what has drained below a thousandth."""
    return meter.level - Fraction(meter.remainder, terms.period_ms)
