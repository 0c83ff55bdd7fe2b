"""Ticks close what has expired on idle accounts, a page at a time; the partition says when."""

import pytest

from pipelines.accounts.wakeups import BUCKET_MS, PAGE_ACCOUNTS
from schemas.events import HoldExpired
from tests.unit.accounts.commands import (
    ALICE,
    BOB,
    PARTITION,
    accounts_of,
    consume,
    policy,
    publish,
    query,
    reserve,
    settle,
)
from tests.unit.accounts.partition import NewPartition, Partition


def expired(partition: Partition) -> list[str | None]:
    """The accounts whose holds one tick closes, once per hold."""
    events = partition.tick().events
    return [event.account for event in events if isinstance(event, HoldExpired)]


def test_without_open_holds_no_tick_is_wanted(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5))
    assert partition.next_wakeup_ms is None
    assert partition.tick().events == []


@pytest.mark.parametrize(
    ("deadline_ms", "wakeup_ms"), [(1000, 10_000), (9999, 10_000), (10_000, 20_000)]
)
def test_the_partition_wakes_at_the_end_of_the_deadlines_bucket(
    new_partition: NewPartition, deadline_ms: int, wakeup_ms: int
) -> None:
    partition = new_partition(policy()).given(reserve(5, hold_ttl_ms=deadline_ms))
    assert partition.next_wakeup_ms == wakeup_ms
    assert expired(partition.at(wakeup_ms - 1)) == []
    assert partition.next_wakeup_ms == wakeup_ms
    assert expired(partition.at(wakeup_ms)) == [ALICE]
    assert partition.next_wakeup_ms is None


def test_an_account_is_listed_once_per_bucket_and_not_once_per_hold(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    partition.given(*(reserve(5, hold_ttl_ms=2000 + n) for n in range(50)))
    assert partition.account(ALICE).wakeups == [partition.log[0].timestamp_ms // BUCKET_MS]
    assert expired(partition.at(BUCKET_MS)) == [ALICE] * 50


def test_several_buckets_are_due_one_after_the_other(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    partition.given(reserve(5, account=BOB, hold_ttl_ms=25_000), reserve(5, hold_ttl_ms=5000))
    partition.given(reserve(5, account=BOB, hold_ttl_ms=15_000), reserve(5, hold_ttl_ms=26_000))
    assert partition.next_wakeup_ms == 10_000
    assert expired(partition.at(10_000)) == [ALICE]
    assert partition.next_wakeup_ms == 20_000
    assert expired(partition.at(20_000)) == [BOB]
    assert sorted(str(name) for name in expired(partition.at(30_000))) == sorted([ALICE, BOB])
    assert partition.next_wakeup_ms is None


def test_buckets_that_were_missed_are_taken_tick_by_tick_until_none_is_due(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    partition.given(*(reserve(5, hold_ttl_ms=ttl_ms) for ttl_ms in (5000, 15_000, 25_000)))
    partition.at(100_000)
    # The first tick closes all that the account has; the later ones find nothing left.
    assert expired(partition) == [ALICE] * 3
    assert partition.next_wakeup_ms == 20_000
    assert [expired(partition), expired(partition)] == [[], []]
    assert partition.next_wakeup_ms is None


def test_a_tick_takes_one_page_of_accounts_and_asks_for_another(
    new_partition: NewPartition,
) -> None:
    names = accounts_of(PARTITION, "user", 2 * PAGE_ACCOUNTS + 3)
    partition = new_partition(policy())
    partition.given(*(reserve(5, account=name, hold_ttl_ms=5000) for name in names))
    partition.at(10_000)
    taken: list[str | None] = []
    for page in (3, PAGE_ACCOUNTS, PAGE_ACCOUNTS):
        assert partition.next_wakeup_ms == 10_000
        found = expired(partition)
        assert len(found) == page
        taken += found
    assert sorted(str(name) for name in taken) == sorted(names)
    assert partition.next_wakeup_ms is None
    assert not [key for key in partition.durable if key.startswith((b"w:", b"h:"))]


def test_a_page_that_is_full_is_followed_by_a_new_one(new_partition: NewPartition) -> None:
    names = accounts_of(PARTITION, "user", PAGE_ACCOUNTS + 2)
    partition = new_partition(policy())
    partition.given(*(reserve(5, account=name, hold_ttl_ms=5000) for name in names[:-1]))
    assert len(expired(partition.at(10_000))) == 1
    partition.given(reserve(5, account=names[-1], hold_ttl_ms=5000))
    assert len(expired(partition)) == PAGE_ACCOUNTS
    assert partition.next_wakeup_ms == 20_000
    assert expired(partition.at(20_000)) == [names[-1]]


def test_what_was_closed_before_its_tick_leaves_nothing_to_do(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    partition.given(settle(partition.when(reserve(5, hold_ttl_ms=5000)).hold_id, 5))
    partition.given(reserve(5, account=BOB, hold_ttl_ms=5000)).at(10_000)
    assert partition.when(query(BOB)).types == ["hold-expired"]
    assert partition.tick().events == []
    assert partition.next_wakeup_ms is None


def test_a_hold_made_after_a_tick_is_listed_again(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(reserve(5, hold_ttl_ms=5000))
    expired(partition.at(10_000))
    partition.given(reserve(5, hold_ttl_ms=1000))
    assert partition.next_wakeup_ms == 20_000
    assert expired(partition.at(20_000)) == [ALICE]


def test_a_tick_gives_back_as_of_each_holds_own_deadline(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=10, window_ms=7000))
    partition.given(reserve(4, hold_ttl_ms=5000), reserve(6, hold_ttl_ms=9000))
    events = partition.at(10_000).tick().events
    assert [event.type for event in events] == [
        "hold-expired",
        "allowance-changed",
        "hold-expired",
    ]
    pots = partition.pots(ALICE)
    assert (pots.lapsed, pots.held_in_all, pots.window_start_ms) == (10, 0, None)


def test_a_tick_answers_nobody(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(reserve(5, hold_ttl_ms=5000))
    assert partition.at(10_000).tick().replies == []
    assert partition.given(publish(policy(version=2))).tick().replies == []
