"""What took effect is answered again and never done twice; a refusal is decided anew."""

import pytest

from schemas.commands import AccountStatus, Consume, Reserve
from schemas.events import Denied
from schemas.outcomes import Outcome
from schemas.replies import HoldState, Reply
from tests.unit.accounts.commands import (
    ALICE,
    BOB,
    DAY_MS,
    allocate,
    consume,
    leaky,
    policy,
    reserve,
    revoke,
    set_limits,
    set_status,
    set_tier,
    settle,
    void,
)
from tests.unit.accounts.partition import NewPartition

REMEMBERED_MS = 600_000
PRIVILEGED = [
    allocate(5),
    revoke(5),
    set_tier("PRO"),
    set_status(AccountStatus.SUSPENDED),
    set_limits(leaky(5)),
]


def without_what_changes(reply: Reply) -> dict[str, object]:
    return reply.model_dump(exclude={"replayed", "hold"})


@pytest.mark.parametrize(
    "command", [consume(5, "same"), reserve(5, "same", hold_ttl_ms=REMEMBERED_MS)]
)
def test_a_repeat_gets_the_first_answer_and_charges_nothing(
    new_partition: NewPartition, command: Consume | Reserve
) -> None:
    partition = new_partition(policy(leaky(1000, 10)))
    first = partition.when(command)
    again = partition.at(REMEMBERED_MS - 1).when(command)
    assert without_what_changes(again.reply) == without_what_changes(first.reply)
    assert (first.reply.replayed, again.reply.replayed) == (False, True)
    assert [event.type for event in again.events if event.type == "consumed"] == []
    pots = partition.pots(ALICE)
    assert pots.charged + pots.held_in_all <= 5


def test_a_repeat_within_one_record_is_one_too(new_partition: NewPartition) -> None:
    answer = new_partition(policy()).when(consume(5, "same"), consume(5, "same"))
    assert [reply.replayed for reply in answer.replies] == [False, True]
    assert answer.types == ["allowance-changed", "consumed"]


def test_a_repeat_may_come_another_way(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5, "same"))
    elsewhere = consume(5, "same", reply_to="replies/9")
    assert partition.when(elsewhere).reply.replayed


def test_the_same_id_of_another_account_is_another_command(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5, "same"))
    assert not partition.when(consume(5, "same", account=BOB)).reply.replayed


@pytest.mark.parametrize(
    "other",
    [
        consume(6, "same"),
        consume(5, "same", provider="gemini"),
        consume(5, "same", model="other"),
        consume(5, "same", labels={"a": "b"}),
        consume(5, "same", actor="user:other"),
        consume(5, "same", request_digest="0" * 64),
        reserve(5, "same"),
        allocate(5, "same"),
    ],
)
def test_the_same_id_with_another_payload_is_a_conflict(
    new_partition: NewPartition, other: Consume
) -> None:
    partition = new_partition(policy()).given(consume(5, "same"))
    answer = partition.when(other)
    assert answer.outcome is Outcome.IDEMPOTENCY_CONFLICT
    assert answer.event(Denied).command == other.type
    assert partition.pots(ALICE).charged == 5


def test_a_repeat_and_a_conflict_come_before_the_accounts_status(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy()).given(consume(5, "same"), set_status(AccountStatus.CLOSED))
    assert partition.when(consume(5, "same")).outcome is Outcome.GRANTED
    assert partition.when(consume(6, "same")).outcome is Outcome.IDEMPOTENCY_CONFLICT


def test_a_refusal_is_not_remembered(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10, 1, 1)))
    partition.given(consume(10))
    assert partition.when(consume(8, "same")).outcome is Outcome.RATE_LIMITED
    assert partition.when(consume(9, "same")).outcome is Outcome.RATE_LIMITED
    answer = partition.after(8).when(consume(8, "same"))
    assert (answer.outcome, answer.reply.replayed) == (Outcome.GRANTED, False)


def test_an_id_is_free_again_once_its_answer_is_forgotten(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5, "same"))
    answer = partition.at(REMEMBERED_MS).when(consume(6, "same"))
    assert (answer.outcome, answer.reply.replayed) == (Outcome.GRANTED, False)


def test_the_policy_says_how_long_answers_are_remembered(new_partition: NewPartition) -> None:
    partition = new_partition(policy(recent_command_ttl_ms=1000)).given(consume(5, "same"))
    assert partition.at(999).when(consume(5, "same")).reply.replayed
    assert not partition.at(1000).when(consume(5, "same")).reply.replayed


@pytest.mark.parametrize("command", PRIVILEGED, ids=lambda command: command.type)
def test_privileged_commands_are_remembered_for_ever(
    new_partition: NewPartition, command: Consume
) -> None:
    partition = new_partition(policy())
    first = partition.when(command)
    again = partition.at(1000 * DAY_MS).when(command)
    assert first.outcome is Outcome.APPLIED
    assert again.events == []
    assert again.reply.replayed
    assert without_what_changes(again.reply) == without_what_changes(first.reply)
    other = command.model_copy(update={"actor": "user:other"})
    assert partition.when(other).outcome is Outcome.IDEMPOTENCY_CONFLICT


def test_a_repeated_reserve_says_where_its_hold_stands(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    command = reserve(50, "same")
    hold_id = partition.when(command).hold_id
    still_open = partition.when(command).reply.hold
    assert still_open is not None
    assert (still_open.id, still_open.state) == (hold_id, HoldState.OPEN)
    partition.given(settle(hold_id, 60))
    settled = partition.when(command).reply.hold
    assert settled is not None
    assert (settled.state, settled.held_tokens, settled.settled_tokens) == (
        HoldState.SETTLED,
        50,
        60,
    )


def test_a_void_frees_the_id_of_its_reserve(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    first = partition.when(reserve(50, "same"))
    partition.given(void(first.hold_id))
    second = partition.when(reserve(50, "same"))
    assert not second.reply.replayed
    assert second.hold_id != first.hold_id
    assert partition.when(consume(5, "same")).outcome is Outcome.IDEMPOTENCY_CONFLICT


def test_an_expiry_frees_the_id_of_its_reserve(new_partition: NewPartition) -> None:
    partition = new_partition(policy(hold_ttl_ms=1000))
    first = partition.when(reserve(50, "same"))
    second = partition.at(1000).when(consume(5, "same"))
    assert (second.outcome, second.reply.replayed) == (Outcome.GRANTED, False)
    assert partition.when(settle(first.hold_id, 5)).outcome is Outcome.SETTLED
    assert partition.when(consume(5, "same")).reply.replayed


def test_an_ended_hold_frees_no_id_that_a_later_reserve_has_taken(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(recent_command_ttl_ms=1000, hold_ttl_ms=60_000))
    first = partition.when(reserve(50, "same"))
    second = partition.at(1000).when(reserve(50, "same"))
    partition.given(void(first.hold_id))
    again = partition.when(reserve(50, "same")).reply
    assert again.replayed
    assert again.hold is not None
    assert again.hold.id == second.hold_id


def test_a_settle_keeps_the_id_of_its_reserve(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    hold_id = partition.when(reserve(50, "same")).hold_id
    partition.given(settle(hold_id, 5))
    assert partition.when(reserve(50, "same")).reply.replayed
    assert partition.when(reserve(51, "same")).outcome is Outcome.IDEMPOTENCY_CONFLICT


def test_a_repeat_still_closes_what_has_expired(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(reserve(50, hold_ttl_ms=1000), consume(5, "same"))
    answer = partition.at(1000).when(consume(5, "same"))
    assert answer.types == ["hold-expired"]
    assert answer.reply.replayed


def test_a_repeated_reserve_whose_settled_hold_is_forgotten_says_settled(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(closed_hold_ttl_ms=1000, recent_command_ttl_ms=600_000))
    hold_id = partition.when(reserve(50, "same")).hold_id
    partition.given(settle(hold_id, 50))
    answer = partition.at(1000).when(reserve(50, "same"))
    assert answer.reply.replayed
    assert answer.reply.hold is not None
    assert answer.reply.hold.state is HoldState.SETTLED


def test_labels_in_another_order_are_the_same_payload(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5, "same", labels={"a": "1", "b": "2"}))
    assert partition.when(consume(5, "same", labels={"b": "2", "a": "1"})).reply.replayed
