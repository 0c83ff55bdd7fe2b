"""What goes back to limits when a hold ends, and what a settle charges beyond its hold."""

import pytest

from schemas.limits import LimitRule, Unit
from schemas.outcomes import Outcome
from tests.unit.accounts.commands import (
    ALICE,
    concurrency,
    consume,
    leaky,
    policy,
    query,
    reserve,
    set_limits,
    settle,
    token_bucket,
    void,
    window,
)
from tests.unit.accounts.partition import NewPartition, Partition

R = Unit.REQUESTS
BUCKETS = [leaky(1000, 10), token_bucket(1000, 10)]


def used(partition: Partition, limit: str = "bucket") -> int:
    """What a query sees in use of a limit, in whole units rounded up."""
    reading = partition.when(query(provider="qwen")).reply.reading
    assert reading is not None
    return next(each.used for each in reading.providers[0].limits if each.name == limit)


@pytest.mark.parametrize("rule", BUCKETS)
@pytest.mark.parametrize(
    ("settled", "at_ms", "in_use"),
    [
        (500, 0, 500),  # at once: all that was unused
        (500, 10_000, 500),  # 700 in use, 300 unused less the 100 that leaked
        (500, 30_000, 500),  # 500 in use, nothing left to give back
        (500, 40_000, 400),
        (800, 10_000, 700),
        (0, 10_000, 0),
        (900, 10_000, 800),  # 100 more than held
        (1500, 0, 1500),  # above the capacity
    ],
)
def test_a_bucket_gets_back_what_was_unused_less_what_leaked_since(
    new_partition: NewPartition, rule: LimitRule, settled: int, at_ms: int, in_use: int
) -> None:
    partition = new_partition(policy(rule))
    hold_id = partition.when(reserve(800)).hold_id
    partition.at(at_ms).given(settle(hold_id, settled))
    assert used(partition) == in_use


@pytest.mark.parametrize("rule", BUCKETS)
def test_what_leaked_counts_for_each_hold_alone(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule))
    first, second = (partition.when(reserve(300)).hold_id for _ in range(2))
    partition.at(10_000).given(void(first))
    assert used(partition) == 300
    partition.given(void(second))
    assert used(partition) == 100


@pytest.mark.parametrize("rule", BUCKETS)
def test_an_expiry_gives_back_as_of_its_deadline(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule)).given(consume(100), reserve(800, hold_ttl_ms=10_000))
    # At 10 s: 800 in use, 700 go back. At 12 s 20 more have leaked.
    assert used(partition.at(12_000)) == 80


@pytest.mark.parametrize("rule", [leaky(5, unit=R), token_bucket(5, unit=R), window(5, unit=R)])
def test_a_request_that_was_settled_counts_and_one_that_was_given_back_does_not(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule))
    holds = [partition.when(reserve(10, hold_ttl_ms=5000)).hold_id for _ in range(4)]
    partition.given(settle(holds[0], 0), settle(holds[1], 50), void(holds[2]))
    assert used(partition, rule.name) == 3
    assert used(partition.at(5000), rule.name) == 2


def test_a_late_settle_counts_as_one_more_request(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(5, unit=R)))
    hold_id = partition.when(reserve(10, hold_ttl_ms=5000)).hold_id
    partition.at(5000).given(settle(hold_id, 4))
    assert used(partition) == 1


@pytest.mark.parametrize("rule", [leaky(1000), token_bucket(1000), window(1000)])
def test_a_late_settle_charges_all_its_tokens_even_above_the_capacity(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule))
    hold_id = partition.when(reserve(100, hold_ttl_ms=5000)).hold_id
    partition.at(5000).given(consume(990), settle(hold_id, 60))
    assert used(partition, rule.name) == 1050
    assert partition.when(consume(1)).outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize(("at_ms", "in_use"), [(59_999, 50), (60_000, 30)])
def test_a_window_gets_back_what_was_charged_in_it_and_nothing_of_the_one_before(
    new_partition: NewPartition, at_ms: int, in_use: int
) -> None:
    partition = new_partition(policy(window(100)))
    hold_id = partition.when(reserve(50, hold_ttl_ms=120_000)).hold_id
    partition.at(at_ms).given(consume(30), settle(hold_id, 20))
    assert used(partition, "window") == in_use


@pytest.mark.parametrize("unit", [R, Unit.TOKENS])
def test_an_ended_hold_no_longer_counts_at_once(new_partition: NewPartition, unit: Unit) -> None:
    partition = new_partition(policy(concurrency(100, unit)))
    per_hold = 1 if unit is R else 40
    holds = [partition.when(reserve(40, hold_ttl_ms=5000)).hold_id for _ in range(2)]
    assert used(partition, "at-once") == 2 * per_hold
    partition.given(settle(holds[0], 90))
    assert used(partition, "at-once") == per_hold
    assert used(partition.at(5000), "at-once") == 0


def test_a_limit_that_came_after_the_reserve_gets_nothing_back(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(50)).hold_id
    partition.given(set_limits(leaky(100)), consume(30), void(hold_id))
    assert used(partition) == 30


def test_a_limit_that_is_gone_gets_nothing_back_and_one_that_returns_kept_its_level(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy()).given(set_limits(leaky(100)))
    hold_id = partition.when(reserve(50)).hold_id
    partition.given(set_limits(), void(hold_id), set_limits(leaky(100)))
    assert used(partition) == 50


@pytest.mark.parametrize("anew", [token_bucket(100), window(100, name="bucket")])
def test_a_limit_of_another_kind_starts_anew_and_gets_nothing_back(
    new_partition: NewPartition, anew: LimitRule
) -> None:
    partition = new_partition(policy()).given(set_limits(leaky(100)))
    hold_id = partition.when(reserve(50)).hold_id
    partition.given(set_limits(anew))
    assert used(partition) == 0
    partition.given(consume(30), void(hold_id))
    assert used(partition) == 30


def test_a_window_of_another_length_starts_anew(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(set_limits(window(100, 60_000)))
    hold_id = partition.when(reserve(50)).hold_id
    partition.given(set_limits(window(100, 30_000)), consume(30), void(hold_id))
    assert used(partition, "window") == 30


def test_a_leaky_bucket_keeps_its_level_under_another_capacity(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000))).given(consume(800))
    assert used(partition.given(set_limits(leaky(500)))) == 800
    assert partition.when(consume(1)).outcome is Outcome.RATE_LIMITED
    assert partition.given(set_limits(leaky(900))).when(consume(100)).outcome is Outcome.GRANTED


@pytest.mark.parametrize(
    ("capacity", "available"), [(500, 200), (150, 150), (1000, 200), (5000, 200)]
)
def test_a_token_bucket_keeps_what_is_available_at_most_its_new_capacity(
    new_partition: NewPartition, capacity: int, available: int
) -> None:
    partition = new_partition(policy(token_bucket(1000))).given(consume(800))
    partition.given(set_limits(token_bucket(capacity)))
    assert used(partition) == capacity - available
    assert partition.when(consume(available + 1)).outcome is not Outcome.GRANTED
    assert partition.when(consume(available)).outcome is Outcome.GRANTED


def test_another_rate_counts_as_if_it_had_come_at_the_last_charge(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000, 10))).given(consume(800))
    assert used(partition.at(10_000).given(set_limits(leaky(1000, 50)))) == 300


def test_a_limit_that_counts_something_else_by_now_gets_back_no_more_than_was_charged(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy()).given(set_limits(leaky(1000, unit=R)))
    hold_id = partition.when(reserve(50)).hold_id
    partition.given(set_limits(leaky(1000)), consume(40), void(hold_id))
    assert used(partition) == 40


def test_limits_of_other_providers_get_nothing_of_it(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000))).given(consume(70, provider="gemini"))
    partition.given(void(partition.when(reserve(60)).hold_id))
    assert partition.account(ALICE).providers["gemini"].meters["bucket"].level == 70_000
