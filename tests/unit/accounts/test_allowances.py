"""Allowance windows: when they open, what lapses, what holds carry past them, who pays debt."""

import pytest

from schemas.commands import Consume, Reserve
from schemas.events import AllowanceChanged
from schemas.outcomes import Outcome
from tests.unit.accounts.commands import (
    ALICE,
    HOUR_MS,
    allocate,
    consume,
    leaky,
    policy,
    query,
    reserve,
    revoke,
    set_tier,
    settle,
    void,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, NewPartition, Partition

PER_HOUR = policy(allowance=100, window_ms=HOUR_MS)


def window_of(partition: Partition) -> tuple[int, int] | None:
    """When the open window starts and ends, since midnight."""
    pots = partition.pots(ALICE)
    if pots.window_start_ms is None or pots.window_end_ms is None:
        return None
    return pots.window_start_ms - MIDNIGHT_MS, pots.window_end_ms - MIDNIGHT_MS


@pytest.mark.parametrize("first", [consume(10), reserve(10)])
def test_the_first_grant_opens_a_window(
    new_partition: NewPartition, first: Consume | Reserve
) -> None:
    partition = new_partition(PER_HOUR).at(1234)
    opened = partition.when(first).event(AllowanceChanged)
    assert opened.cause == "window-opened"
    assert opened.allowance_tokens == 100
    assert window_of(partition) == (1234, 1234 + HOUR_MS)


def test_a_denial_a_query_and_a_purchase_open_no_window(new_partition: NewPartition) -> None:
    partition = new_partition(PER_HOUR)
    denied = partition.when(consume(101))
    assert (denied.quota.remaining_tokens, denied.quota.reset_at_ms) == (100, None)
    assert partition.when(query()).events == []
    assert partition.when(allocate(5)).types == ["allocated"]
    assert window_of(partition) is None


@pytest.mark.parametrize(("settled", "opens"), [(100, False), (40, False), (101, True)])
def test_of_settles_only_one_above_its_hold_opens_a_window(
    new_partition: NewPartition, settled: int, opens: bool
) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000))
    hold_id = partition.when(reserve(100)).hold_id
    causes = [
        event.cause
        for event in partition.at(2000).when(settle(hold_id, settled)).events
        if isinstance(event, AllowanceChanged)
    ]
    assert causes == ["window-opened" if opens else "window-ended"]
    assert (window_of(partition) is not None) is opens


def test_a_late_settle_opens_a_window(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000))
    hold_id = partition.when(reserve(100, hold_ttl_ms=60_000)).hold_id
    answer = partition.at(60_000).when(settle(hold_id, 30))
    assert answer.types == [
        "allowance-changed",
        "hold-expired",
        "allowance-changed",
        "settled",
    ]
    assert answer.quota.remaining_tokens == 70


def test_what_is_free_at_a_windows_end_lapses_and_the_next_has_the_full_allowance(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(PER_HOUR).given(consume(40))
    assert partition.at(HOUR_MS - 1).when(consume(61)).outcome is Outcome.QUOTA_EXHAUSTED
    answer = partition.at(HOUR_MS).when(consume(61))
    assert answer.types == ["allowance-changed", "consumed"]
    assert answer.quota.remaining_tokens == 39
    assert window_of(partition) == (HOUR_MS, 2 * HOUR_MS)
    assert partition.pots(ALICE).lapsed == 60


def test_a_window_that_has_ended_is_answered_as_if_the_next_stood_open(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(PER_HOUR).given(consume(40)).at(HOUR_MS + 5)
    denied = partition.when(consume(101))
    assert (denied.quota.remaining_tokens, denied.quota.reset_at_ms) == (100, None)
    reading = partition.when(query(provider="qwen")).reply.reading
    assert reading is not None
    assert reading.providers[0].quota == denied.quota
    assert partition.pots(ALICE).lapsed == 0


def test_a_hold_of_a_past_window_charges_what_was_used_and_the_rest_lapses(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000))
    hold_id = partition.when(reserve(80)).hold_id
    partition.at(1000).given(consume(10))
    assert partition.pots(ALICE).held_past == 80
    assert partition.when(settle(hold_id, 30)).quota.remaining_tokens == 90
    pots = partition.pots(ALICE)
    assert (pots.charged, pots.lapsed, pots.held_in_all) == (40, 20 + 50, 0)


@pytest.mark.parametrize("used", [0, 30, 80])
def test_a_hold_of_the_open_window_gives_the_rest_back_to_it(
    new_partition: NewPartition, used: int
) -> None:
    partition = new_partition(PER_HOUR)
    hold_id = partition.when(reserve(80)).hold_id
    answer = partition.when(settle(hold_id, used))
    assert answer.quota.remaining_tokens == 100 - used
    assert partition.pots(ALICE).spent == used


def test_the_allowance_is_spent_before_the_purchased_balance(new_partition: NewPartition) -> None:
    partition = new_partition(PER_HOUR).given(allocate(50), consume(120))
    pots = partition.pots(ALICE)
    assert (pots.spent, pots.purchased_spent) == (100, 20)


def test_of_a_hold_the_allowances_part_is_charged_first(new_partition: NewPartition) -> None:
    partition = new_partition(PER_HOUR).given(allocate(50))
    hold_id = partition.when(reserve(120)).hold_id
    partition.given(settle(hold_id, 110))
    pots = partition.pots(ALICE)
    assert (pots.spent, pots.purchased_spent, pots.held_in_all) == (100, 10, 0)


def test_purchased_tokens_outlive_every_window_and_no_tier_caps_them(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(allowance=0, window_ms=1000)).given(allocate(10**9))
    answer = partition.at(10 * HOUR_MS).when(consume(1))
    assert answer.quota.remaining_tokens == 10**9 - 1
    assert answer.quota.total_tokens == 10**9


def test_a_higher_allowance_counts_inside_the_window(new_partition: NewPartition) -> None:
    partition = new_partition(PER_HOUR).given(consume(100), set_tier("PRO"))
    answer = partition.when(consume(1500))
    changed = answer.event(AllowanceChanged)
    assert (changed.cause, changed.allowance_tokens) == ("terms-changed", 2000)
    assert answer.quota.remaining_tokens == 400
    assert window_of(partition) == (0, HOUR_MS)


@pytest.mark.parametrize(("spent", "held", "kept"), [(10, 0, 100), (150, 0, 150), (90, 50, 140)])
def test_a_lower_allowance_lapses_down_to_what_is_spent_and_held(
    new_partition: NewPartition, spent: int, held: int, kept: int
) -> None:
    partition = new_partition(PER_HOUR).given(set_tier("PRO"), consume(spent))
    partition.given(*([reserve(held)] if held else []), set_tier(None), allocate(1))
    pots = partition.pots(ALICE)
    assert pots.allowance == kept
    assert pots.lapsed == 2000 - kept
    assert pots.remaining == kept - spent - held + 1


def test_a_settle_above_its_hold_takes_what_is_free_and_owes_the_rest(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(PER_HOUR).given(allocate(20))
    hold_id = partition.when(reserve(50)).hold_id
    answer = partition.when(settle(hold_id, 200))
    # 50 held, 50 free of the allowance, 20 purchased, 80 owed.
    assert (answer.quota.remaining_tokens, answer.quota.debt_tokens) == (0, 80)
    assert partition.pots(ALICE).charged == 200
    assert partition.when(consume(1)).outcome is Outcome.QUOTA_EXHAUSTED


def in_debt(partition: Partition) -> Partition:
    """Of 100 tokens 40 are held for a minute, and 30 more than there were are charged."""
    partition.given(reserve(40, "still-open"))
    hold_id = partition.when(reserve(60)).hold_id
    partition.given(settle(hold_id, 90))
    assert (partition.pots(ALICE).debt, partition.pots(ALICE).remaining) == (30, 0)
    return partition


def test_the_next_window_pays_the_debt(new_partition: NewPartition) -> None:
    partition = in_debt(new_partition(policy(allowance=100, window_ms=1000))).at(1000)
    assert partition.when(consume(71)).outcome is Outcome.QUOTA_EXHAUSTED
    assert partition.when(consume(70)).quota.remaining_tokens == 0
    assert partition.pots(ALICE).debt == 0


def test_debt_above_an_allowance_is_paid_a_window_at_a_time(new_partition: NewPartition) -> None:
    partition = new_partition(policy(allowance=100, window_ms=1000))
    hold_id = partition.when(reserve(100)).hold_id
    partition.given(settle(hold_id, 350)).at(1000)
    refused = partition.when(consume(1))
    assert refused.types == ["allowance-changed", "denied"]
    assert refused.retry_ms is None
    assert partition.pots(ALICE).debt == 150
    assert partition.when(consume(1)).types == ["denied"]
    assert partition.at(2000).when(consume(1)).retry_ms == 1000
    assert partition.pots(ALICE).debt == 50
    assert partition.at(3000).when(consume(50)).outcome is Outcome.GRANTED


@pytest.mark.parametrize(("bought", "debt", "remaining"), [(20, 10, 0), (30, 0, 0), (45, 0, 15)])
def test_a_purchase_pays_the_debt(
    new_partition: NewPartition, bought: int, debt: int, remaining: int
) -> None:
    partition = in_debt(new_partition(PER_HOUR))
    quota = partition.when(allocate(bought)).quota
    assert (quota.debt_tokens, quota.remaining_tokens) == (debt, remaining)


def test_what_a_hold_gives_back_pays_the_debt(new_partition: NewPartition) -> None:
    partition = in_debt(new_partition(PER_HOUR))
    hold = partition.when(reserve(40, "still-open")).reply.hold
    assert hold is not None
    quota = partition.when(void(hold.id)).quota
    assert (quota.debt_tokens, quota.remaining_tokens) == (0, 10)


def test_what_lapses_with_a_hold_of_a_past_window_pays_nothing(
    new_partition: NewPartition,
) -> None:
    partition = in_debt(new_partition(policy(allowance=100, window_ms=1000)))
    partition.at(60_000).when(query())
    pots = partition.pots(ALICE)
    assert (pots.debt, pots.lapsed, pots.held_in_all) == (30, 40, 0)


def test_a_higher_allowance_pays_the_debt(new_partition: NewPartition) -> None:
    partition = in_debt(new_partition(PER_HOUR)).given(set_tier("PRO"))
    quota = partition.when(consume(1)).quota
    assert (quota.debt_tokens, quota.remaining_tokens) == (0, 1900 - 30 - 1)


def test_a_revoke_takes_at_most_what_is_free_of_the_purchased_balance(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(PER_HOUR).given(allocate(50), consume(110))
    partition.given(reserve(15))
    answer = partition.when(revoke(30))
    assert (answer.outcome, answer.reply.tokens) == (Outcome.APPLIED, 25)
    assert (answer.quota.purchased_tokens, answer.quota.remaining_tokens) == (25, 0)
    assert partition.when(revoke(30)).reply.tokens == 0


def test_the_overspend_is_at_most_what_was_settled_above_holds_and_late(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(10**6), allowance=100, window_ms=HOUR_MS))
    holds = [partition.when(reserve(25, hold_ttl_ms=1000 * n)).hold_id for n in (1, 1, 9, 9)]
    partition.at(1000)
    partition.given(settle(holds[0], 25), settle(holds[1], 40))  # late: 65 in all
    partition.given(settle(holds[2], 60), settle(holds[3], 10))  # above: 35
    pots = partition.pots(ALICE)
    assert pots.charged == 135
    assert pots.charged - pots.granted == pots.debt == 35
    assert pots.debt <= 65 + 35
