"""The table of docs/rules.md: settle and void against every state that a hold can be in."""

from collections.abc import Callable

import pytest

from pipelines.accounts.memory import GARBAGE_AFTER_MS
from schemas.commands import AccountStatus
from schemas.events import HoldExpired, Settled, Voided
from schemas.hold_ids import HoldOrigin, encode_hold_id
from schemas.outcomes import Outcome
from schemas.replies import HoldState
from tests.unit.accounts.commands import (
    ALICE,
    BOB,
    DAY_MS,
    FAR_AWAY,
    PARTITION,
    consume,
    leaky,
    policy,
    query,
    reserve,
    set_status,
    settle,
    void,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, NewPartition, Partition

HELD = 100
TTL_MS = 5000


Past = Callable[[Partition, str], object]
"""What happens between the reserve and the ending."""


def _settled_late_and_nearly_forgotten(partition: Partition, hold_id: str) -> None:
    partition.after(TTL_MS + 1000).given(settle(hold_id, 60)).after(DAY_MS - 1)


SETTLED, VOIDED = (Outcome.SETTLED, False), (Outcome.VOIDED, False)
SETTLED_AGAIN, VOIDED_AGAIN = (Outcome.SETTLED, True), (Outcome.VOIDED, True)
WAS_SETTLED = (Outcome.HOLD_ALREADY_SETTLED, False)
WAS_VOIDED = (Outcome.HOLD_ALREADY_VOIDED, False)
HAS_EXPIRED = (Outcome.HOLD_EXPIRED, False)
UNKNOWN = (Outcome.HOLD_UNKNOWN, False)

TABLE: dict[str, tuple[Past, dict[int | str, tuple[Outcome, bool]]]] = {
    "open": (
        lambda _partition, _hold_id: None,
        {0: SETTLED, 60: SETTLED, HELD: SETTLED, 150: SETTLED, "void": VOIDED},
    ),
    "settled": (
        lambda partition, hold_id: partition.given(settle(hold_id, 60)),
        {60: SETTLED_AGAIN, 59: WAS_SETTLED, 150: WAS_SETTLED, "void": WAS_SETTLED},
    ),
    "voided": (
        lambda partition, hold_id: partition.given(void(hold_id)),
        {0: WAS_VOIDED, HELD: WAS_VOIDED, 150: WAS_VOIDED, "void": VOIDED_AGAIN},
    ),
    "expired": (
        lambda partition, _hold_id: partition.after(TTL_MS),
        {0: SETTLED, 60: SETTLED, HELD: SETTLED, 150: SETTLED, "void": HAS_EXPIRED},
    ),
    "settled late": (
        lambda partition, hold_id: partition.after(TTL_MS).given(settle(hold_id, 60)),
        {60: SETTLED_AGAIN, HELD: WAS_SETTLED, "void": WAS_SETTLED},
    ),
    "settled late, nearly forgotten": (
        _settled_late_and_nearly_forgotten,
        {60: SETTLED_AGAIN, "void": WAS_SETTLED},
    ),
    "settled too long ago": (
        lambda partition, hold_id: partition.given(settle(hold_id, 60)).after(DAY_MS),
        {60: UNKNOWN, "void": UNKNOWN},
    ),
    "expired too long ago": (
        lambda partition, _hold_id: partition.after(TTL_MS + DAY_MS),
        {60: UNKNOWN, "void": UNKNOWN},
    ),
}
ROWS = [(state, ending) for state, (_, row) in TABLE.items() for ending in row]


@pytest.mark.parametrize(("state", "ending"), ROWS)
def test_settle_and_void_answer_by_the_holds_state(
    new_partition: NewPartition, state: str, ending: int | str
) -> None:
    past, row = TABLE[state]
    partition = new_partition(policy(leaky(1000)))
    hold_id = partition.when(reserve(HELD, hold_ttl_ms=TTL_MS)).hold_id
    past(partition, hold_id)
    command = settle(hold_id, ending) if isinstance(ending, int) else void(hold_id)
    reply = partition.when(command).reply
    assert (reply.outcome, reply.replayed) == row[ending]


@pytest.mark.parametrize(
    "hold_id",
    [
        "hold_garbage-that-is-no-base64-url-of-ours",
        encode_hold_id(HoldOrigin(ALICE, PARTITION, 999, 0)),
        encode_hold_id(HoldOrigin(ALICE, PARTITION, 1, 1)),
        encode_hold_id(HoldOrigin(ALICE, PARTITION + 1, 1, 0)),
        encode_hold_id(HoldOrigin(BOB, PARTITION, 1, 0)),
        encode_hold_id(HoldOrigin(FAR_AWAY, PARTITION, 1, 0)),
        encode_hold_id(HoldOrigin(ALICE, PARTITION, 1, 0)) + "A",
    ],
)
def test_an_id_that_names_no_hold_of_the_account_is_unknown(
    new_partition: NewPartition, hold_id: str
) -> None:
    partition = new_partition(policy()).given(reserve(HELD))  # at offset 1, index 0
    for command in (settle(hold_id, 5), void(hold_id)):
        answer = partition.when(command)
        assert answer.outcome is Outcome.HOLD_UNKNOWN
        assert answer.types == ["denied"]
    assert partition.pots(ALICE).held == HELD


def test_another_account_cannot_end_a_hold_by_its_id(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(HELD)).hold_id
    assert partition.when(settle(hold_id, 5, account=BOB)).outcome is Outcome.HOLD_UNKNOWN
    assert partition.when(void(hold_id, account=BOB)).outcome is Outcome.HOLD_UNKNOWN
    assert partition.when(settle(hold_id, 5)).outcome is Outcome.SETTLED


def test_holds_of_one_record_are_told_apart_by_their_place(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    first, second = partition.when(reserve(10), reserve(20)).replies
    assert first.hold is not None
    assert second.hold is not None
    assert first.hold.id == encode_hold_id(HoldOrigin(ALICE, PARTITION, 1, 0))
    assert second.hold.id == encode_hold_id(HoldOrigin(ALICE, PARTITION, 1, 1))
    partition.given(void(first.hold.id))
    assert partition.pots(ALICE).held == 20


@pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, AccountStatus.CLOSED])
def test_no_status_refuses_a_settle_or_a_void(
    new_partition: NewPartition, status: AccountStatus
) -> None:
    partition = new_partition(policy())
    first, second = (partition.when(reserve(HELD)).hold_id for _ in range(2))
    partition.given(set_status(status), settle(first, 150), void(second))


def test_a_settle_says_what_was_held_and_what_was_charged(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(HELD, "mine")).hold_id
    answer = partition.when(settle(hold_id, 60))
    assert answer.reply.hold is not None
    assert answer.reply.hold.state is HoldState.SETTLED
    assert (answer.reply.hold.held_tokens, answer.reply.hold.settled_tokens) == (HELD, 60)
    settled = answer.event(Settled)
    assert (settled.tokens, settled.held_tokens, settled.late) == (60, HELD, False)
    assert settled.reserve_command_id == "mine"
    assert settled.remembered_until_ms == MIDNIGHT_MS + DAY_MS


def test_a_void_keeps_its_reason(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(HELD)).hold_id
    voided = partition.when(void(hold_id, reason="provider failed")).event(Voided)
    assert (voided.reason, voided.held_tokens) == ("provider failed", HELD)


def test_a_hold_is_open_until_the_millisecond_of_its_deadline(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    early, late = (partition.when(reserve(HELD, hold_ttl_ms=TTL_MS)).hold_id for _ in range(2))
    assert partition.at(TTL_MS - 1).when(void(early)).outcome is Outcome.VOIDED
    assert partition.at(TTL_MS).when(void(late)).outcome is Outcome.HOLD_EXPIRED


def test_an_expiry_is_as_of_its_deadline_whenever_it_is_noticed(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000, 10)))
    partition.given(reserve(HELD, hold_ttl_ms=TTL_MS), reserve(HELD, hold_ttl_ms=1000))
    answer = partition.at(DAY_MS // 2).when(query())
    assert answer.types == ["hold-expired", "hold-expired"]
    assert [event.at_ms - MIDNIGHT_MS for event in answer.events] == [1000, TTL_MS]
    for event in answer.events:
        assert isinstance(event, HoldExpired)
        assert event.remembered_until_ms == event.at_ms + DAY_MS


def test_holds_of_one_deadline_expire_in_the_order_they_were_made(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    replies = partition.when(*(reserve(tokens) for tokens in (3, 1, 2))).replies
    made = [reply.hold and reply.hold.id for reply in replies]
    answer = partition.at(DAY_MS // 2).when(consume(1))
    expired = [event.hold_id for event in answer.events if isinstance(event, HoldExpired)]
    assert expired == made


def test_an_expiry_that_is_noticed_too_late_leaves_nothing_to_settle(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(HELD, hold_ttl_ms=TTL_MS)).hold_id
    partition.at(TTL_MS + DAY_MS + GARBAGE_AFTER_MS)
    answer = partition.when(settle(hold_id, 5))
    assert answer.types == ["hold-expired", "denied"]
    assert answer.outcome is Outcome.HOLD_UNKNOWN
    assert partition.pots(ALICE).held_in_all == 0
