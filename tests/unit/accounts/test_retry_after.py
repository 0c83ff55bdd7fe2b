"""A denial's retry is exact: refused until then, granted at then, if nothing else happens."""

import pytest

from schemas.commands import Consume, Reserve
from schemas.limits import LimitRule, Unit
from schemas.outcomes import Outcome
from tests.unit.accounts.commands import (
    ALICE,
    DAY_MS,
    HOUR_MS,
    allocate,
    concurrency,
    consume,
    leaky,
    policy,
    publish,
    reserve,
    settle,
    token_bucket,
    window,
)
from tests.unit.accounts.partition import NewPartition, Partition


def assert_exact(partition: Partition, asked: Consume | Reserve, wait_ms: int) -> None:
    """The command is refused with this retry, refused just before it, and granted at it."""
    refused = partition.when(asked)
    assert refused.outcome is not Outcome.GRANTED
    assert refused.retry_ms == wait_ms
    shortly_before = partition.after(wait_ms - 1).when(asked)
    assert shortly_before.outcome is not Outcome.GRANTED
    assert shortly_before.retry_ms == 1
    assert partition.after(1).when(asked).outcome is Outcome.GRANTED


@pytest.mark.parametrize(
    ("rule", "wait_ms"),
    [
        (leaky(1000, 10), 60_000),
        (leaky(1000, 7), 85_715),
        (leaky(1000, 7, 333), 28_543),
        (token_bucket(1000, 10), 60_000),
        (token_bucket(1000, 3, 7), 1400),
        (window(1000), 58_877),
        (window(1000, 7), 3),
        (leaky(1, 1, 60_000, unit=Unit.REQUESTS), 60_000),
    ],
)
def test_a_limit_lets_the_same_command_pass_at_its_retry(
    new_partition: NewPartition, rule: LimitRule, wait_ms: int
) -> None:
    partition = new_partition(policy(rule)).at(1123).given(consume(800))
    assert_exact(partition, consume(800), wait_ms)


@pytest.mark.parametrize("rule", [leaky(1000), token_bucket(1000)])
def test_a_bucket_that_never_drains_has_no_retry(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule)).given(consume(800))
    answer = partition.when(consume(201))
    assert (answer.outcome, answer.retry_ms) == (Outcome.RATE_LIMITED, None)


def test_a_wait_of_ages_counts_as_one_without_end(new_partition: NewPartition) -> None:
    rule = leaky(10**10, 1, 10**10)
    partition = new_partition(policy(rule, allowance=10**10)).given(consume(10**10 - 1))
    answer = partition.when(consume(10**9))
    assert [each.retry_after_ms for each in answer.reply.violations] == [DAY_MS, None]
    assert answer.retry_ms is None
    assert answer.reply.limits[0].reset_ms is None


def test_a_hold_that_expires_first_gives_back_what_the_command_needs(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000, 1))).given(reserve(900, hold_ttl_ms=5000))
    assert_exact(partition, consume(500), 5000)


def test_what_leaks_counts_where_it_is_enough_before_the_hold_expires(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000, 100))).given(reserve(900, hold_ttl_ms=5000))
    assert_exact(partition, consume(500), 4000)


def test_a_hold_that_expires_may_only_shorten_the_wait(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000, 10))).given(consume(700))
    partition.given(reserve(300, hold_ttl_ms=10_000))
    # At 10 s 900 are left; the hold gives back 300 less the 100 that leaked: 700 in use.
    assert_exact(partition, consume(500), 30_000)


def test_several_holds_give_back_one_after_the_other(new_partition: NewPartition) -> None:
    partition = new_partition(policy(token_bucket(100)))
    partition.given(reserve(40, hold_ttl_ms=3000), reserve(40, hold_ttl_ms=1000))
    partition.given(reserve(20, hold_ttl_ms=2000))
    assert_exact(partition, consume(55), 2000)


def test_requests_held_come_back_when_their_holds_expire(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(2, unit=Unit.REQUESTS)))
    partition.given(reserve(40, hold_ttl_ms=3000), reserve(40, hold_ttl_ms=2000))
    assert_exact(partition, consume(55), 2000)


def test_a_quota_waits_for_its_next_window(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100, window_ms=HOUR_MS)).at(5).given(consume(60))
    assert_exact(partition.at(1005), consume(50), HOUR_MS - 1000)


def test_a_quota_waits_for_the_hold_that_gives_back_enough(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100))
    partition.given(reserve(30, hold_ttl_ms=2000), reserve(50, hold_ttl_ms=1000))
    assert_exact(partition, consume(90), 2000)


def test_the_allowance_that_a_hold_holds_past_its_window_is_not_waited_for(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000)).given(allocate(50))
    partition.given(reserve(140, hold_ttl_ms=2000))
    # The next window's 100 come at 1 s; at 2 s only the 40 purchased tokens return.
    assert_exact(partition, consume(145), 2000)


def test_debt_is_paid_before_anything_counts_as_free(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100, window_ms=2000))
    partition.given(allocate(20), reserve(10, hold_ttl_ms=60_000))
    hold = partition.when(reserve(20))
    partition.given(reserve(85, hold_ttl_ms=1000), settle(hold.hold_id, 60))
    assert partition.pots(ALICE).debt == 35
    # At 1 s the hold returns 70 of the allowance and 5 purchased: 35 of them pay the debt.
    assert partition.when(consume(50)).retry_ms == 1000
    assert partition.at(1000).when(consume(51)).outcome is Outcome.QUOTA_EXHAUSTED


def test_more_than_every_window_holds_has_no_retry(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000))
    answer = partition.when(consume(101))
    assert (answer.outcome, answer.retry_ms) == (Outcome.QUOTA_EXHAUSTED, None)


def test_concurrency_waits_until_enough_holds_have_expired(new_partition: NewPartition) -> None:
    partition = new_partition(policy(concurrency(100, Unit.TOKENS)))
    partition.given(reserve(50, hold_ttl_ms=3000), reserve(10, hold_ttl_ms=1000))
    partition.given(reserve(40, hold_ttl_ms=2000))
    assert_exact(partition, reserve(45), 2000)


def test_open_holds_wait_for_the_first_that_expires(new_partition: NewPartition) -> None:
    partition = new_partition(policy(max_open_holds=2))
    partition.given(reserve(5, hold_ttl_ms=3000), reserve(5, hold_ttl_ms=2000))
    assert_exact(partition, reserve(5), 2000)


def test_fewer_open_holds_allowed_than_there_are_wait_for_as_many_to_expire(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    partition.given(*(reserve(5, hold_ttl_ms=ttl_ms) for ttl_ms in (4000, 1000, 3000, 2000)))
    partition.given(publish(policy(version=2, max_open_holds=2)))
    assert_exact(partition, reserve(5), 3000)


def test_the_longest_wait_of_all_limits_is_the_commands(new_partition: NewPartition) -> None:
    rules = (leaky(100, 10), window(100, 4000), concurrency(1))
    partition = new_partition(policy(*rules)).given(reserve(90, hold_ttl_ms=60_000))
    answer = partition.when(reserve(30))
    waits = {each.name: each.retry_after_ms for each in answer.reply.violations}
    assert waits == {"bucket": 2000, "window": 4000, "at-once": 60_000}
    assert_exact(partition, reserve(30), 60_000)


def test_one_limit_that_time_cannot_cure_leaves_no_retry(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(100, 10), token_bucket(100, name="once")))
    answer = partition.given(consume(90)).when(consume(30))
    assert [each.retry_after_ms for each in answer.reply.violations] == [2000, None]
    assert answer.retry_ms is None
