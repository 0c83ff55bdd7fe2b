"""consume and reserve: every limit is checked first, then all are charged or none."""

import pytest

from schemas.commands import AccountStatus, Consume, Reserve
from schemas.events import Consumed, Denied, Reserved
from schemas.limits import LimitRule, Unit
from schemas.outcomes import Outcome
from tests.unit.accounts.commands import (
    ACME,
    ALICE,
    HOUR_MS,
    concurrency,
    consume,
    leaky,
    policy,
    reserve,
    set_status,
    set_tier,
    token_bucket,
    window,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, NewPartition

R = Unit.REQUESTS


def test_a_consume_charges_every_limit_and_the_allowance(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000), window(5, unit=R), concurrency(2)))
    answer = partition.when(consume(800))
    assert answer.outcome is Outcome.GRANTED
    assert answer.types == ["allowance-changed", "consumed"]
    assert [answer.used(name) for name in ("bucket", "window", "at-once")] == [800, 1, 0]
    assert answer.quota.remaining_tokens == 99_200
    assert answer.reply.tokens == 800


def test_a_reserve_charges_every_limit_and_holds_its_tokens(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000), window(5, unit=R), concurrency(2)))
    answer = partition.when(reserve(800, hold_ttl_ms=4000))
    assert [answer.used(name) for name in ("bucket", "window", "at-once")] == [800, 1, 1]
    assert answer.quota.remaining_tokens == 99_200
    assert answer.quota.held_tokens == 800
    assert answer.reply.hold is not None
    assert answer.reply.hold.deadline_ms == MIDNIGHT_MS + 4000
    assert answer.event(Reserved).deadline_ms == MIDNIGHT_MS + 4000


def test_a_reserve_that_names_no_time_to_live_gets_the_policys(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(hold_ttl_ms=7000))
    assert partition.when(reserve(1)).event(Reserved).deadline_ms == MIDNIGHT_MS + 7000


def test_one_limit_that_refuses_leaves_all_the_others_uncharged(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000), window(1, unit=R))).given(consume(10))
    answer = partition.when(consume(20))
    assert answer.outcome is Outcome.RATE_LIMITED
    assert answer.violated == ["window"]
    assert answer.types == ["denied"]
    assert answer.used("bucket") == 10
    assert partition.pots(ALICE).charged == 10


def test_a_refusal_names_every_limit_that_refuses(new_partition: NewPartition) -> None:
    rules = (
        leaky(50),
        token_bucket(400, name="refilled"),
        window(300),
        concurrency(150, Unit.TOKENS),
    )
    partition = new_partition(policy(*rules, allowance=199))
    denied = partition.when(consume(200)).event(Denied)
    assert [(each.name, each.outcome) for each in denied.violations] == [
        ("quota", "quota-exhausted"),
        ("bucket", "exceeds-capacity"),
        ("at-once", "exceeds-capacity"),
    ]
    assert [each.name for each in denied.limits] == ["bucket", "refilled", "window", "at-once"]


def test_a_violation_says_what_was_asked_and_what_remained(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000, 10))).given(consume(700))
    (violation,) = partition.after(50).when(consume(400)).reply.violations
    # 700 less half a token that has leaked: what remains is rounded down.
    assert (violation.limit, violation.requested, violation.remaining) == (1000, 400, 300)
    assert violation.unit is Unit.TOKENS


PRECEDENCE: dict[str, tuple[int, tuple[LimitRule, ...], int, Outcome]] = {
    "quota before capacity": (10, (leaky(5),), 11, Outcome.QUOTA_EXHAUSTED),
    "capacity before rate": (
        1000,
        (window(10), leaky(5, name="small")),
        8,
        Outcome.EXCEEDS_CAPACITY,
    ),
    "rate before concurrency": (
        1000,
        (concurrency(10, Unit.TOKENS), window(10)),
        8,
        Outcome.RATE_LIMITED,
    ),
    "capacity of concurrency before rate": (
        1000,
        (concurrency(7, Unit.TOKENS), window(10)),
        8,
        Outcome.EXCEEDS_CAPACITY,
    ),
    "concurrency alone": (1000, (concurrency(10, Unit.TOKENS),), 8, Outcome.CONCURRENCY_LIMITED),
}


@pytest.mark.parametrize("case", PRECEDENCE)
def test_the_first_refusal_in_the_declared_order_is_the_outcome(
    new_partition: NewPartition, case: str
) -> None:
    allowance, rules, asked, outcome = PRECEDENCE[case]
    partition = new_partition(policy(*rules, allowance=allowance)).given(reserve(5))
    assert partition.when(consume(asked)).outcome is outcome


def test_what_is_above_a_capacity_never_passes(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000, 10)))
    at_it, above_it = partition.when(consume(1000)), partition.after(HOUR_MS).when(consume(1001))
    assert at_it.outcome is Outcome.GRANTED
    assert (above_it.outcome, above_it.retry_ms) == (Outcome.EXCEEDS_CAPACITY, None)


def test_a_token_bucket_starts_full(new_partition: NewPartition) -> None:
    partition = new_partition(policy(token_bucket(1000, 10)))
    assert partition.when(consume(1000)).outcome is Outcome.GRANTED
    assert partition.when(consume(1)).retry_ms == 100


@pytest.mark.parametrize(
    "rule", [leaky(3, 1, unit=R), token_bucket(3, 1, unit=R), window(3, unit=R)]
)
def test_a_limit_in_requests_counts_each_request_as_one(
    new_partition: NewPartition, rule: LimitRule
) -> None:
    partition = new_partition(policy(rule)).given(consume(5000), consume(1), reserve(700))
    answer = partition.when(consume(1))
    assert answer.outcome is Outcome.RATE_LIMITED
    assert answer.used(rule.name) == 3


def test_concurrency_in_requests_counts_open_holds_and_a_consume_leaves_nothing(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(concurrency(2))).given(reserve(5), consume(9), consume(9))
    partition.given(reserve(5))
    for refused in (consume(1), reserve(1)):
        answer = partition.when(refused)
        assert answer.outcome is Outcome.CONCURRENCY_LIMITED
        assert answer.used("at-once") == 2


def test_concurrency_in_tokens_counts_what_open_holds_hold(new_partition: NewPartition) -> None:
    partition = new_partition(policy(concurrency(100, Unit.TOKENS))).given(reserve(60))
    assert partition.when(consume(41)).outcome is Outcome.CONCURRENCY_LIMITED
    assert partition.when(reserve(40)).used("at-once") == 100


def test_concurrency_counts_the_holds_of_its_own_provider_only(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(concurrency(1))).given(reserve(5, provider="gemini"))
    assert partition.when(reserve(5)).outcome is Outcome.GRANTED


def test_a_reserve_beyond_the_policys_open_holds_is_refused_and_a_consume_is_not(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(max_open_holds=2))
    partition.given(reserve(5), reserve(5, provider="gemini"))
    answer = partition.when(reserve(5))
    assert answer.outcome is Outcome.CONCURRENCY_LIMITED
    assert answer.violated == ["open-holds"]
    assert partition.when(consume(5)).outcome is Outcome.GRANTED


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (AccountStatus.SUSPENDED, Outcome.ACCOUNT_SUSPENDED),
        (AccountStatus.CLOSED, Outcome.ACCOUNT_CLOSED),
    ],
)
def test_a_suspended_or_closed_account_is_refused_before_its_provider_is_looked_at(
    new_partition: NewPartition, status: AccountStatus, outcome: Outcome
) -> None:
    partition = new_partition(policy()).given(set_status(status))
    for command in (consume(5, provider="nobody"), reserve(5)):
        answer = partition.when(command)
        assert (answer.outcome, answer.retry_ms) == (outcome, None)
        assert answer.violated == []
    assert (
        partition.given(set_status(AccountStatus.OPEN)).when(consume(5)).outcome is Outcome.GRANTED
    )


def test_a_provider_that_the_policy_does_not_list_is_unknown(new_partition: NewPartition) -> None:
    answer = new_partition(policy()).when(consume(5, provider="nobody"))
    assert (answer.outcome, answer.retry_ms) == (Outcome.UNKNOWN_PROVIDER, None)


def test_a_providers_name_is_matched_without_regard_to_case(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10))).given(consume(6, provider="QWEN"))
    assert partition.when(consume(6, provider="qwen")).outcome is Outcome.RATE_LIMITED


def test_each_provider_has_limits_and_a_quota_of_its_own(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10), allowance=10)).given(consume(10))
    answer = partition.when(consume(10, provider="gemini"))
    assert answer.outcome is Outcome.GRANTED


def test_an_organisation_without_an_allowance_has_nothing_to_spend(
    new_partition: NewPartition,
) -> None:
    answer = new_partition(policy()).when(consume(1, account=ACME))
    assert (answer.outcome, answer.retry_ms) == (Outcome.QUOTA_EXHAUSTED, None)


@pytest.mark.parametrize("sort", [Consume, Reserve])
def test_who_asked_for_what_is_kept_in_the_event(
    new_partition: NewPartition, sort: type[Consume | Reserve]
) -> None:
    labels, actor = {"department": "research"}, "user:someone"
    say = consume if sort is Consume else reserve
    answer = new_partition(policy()).when(say(5, model="qwen-max", labels=labels, actor=actor))
    event = answer.event(Consumed if sort is Consume else Reserved)
    assert (event.model, event.labels, event.actor) == ("qwen-max", labels, actor)
    assert (event.tokens, event.provider, event.policy_version) == (5, "qwen", 1)


def test_commands_of_one_record_are_decided_in_order_at_one_time(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(100, 1000, 1)))
    answer = partition.when(consume(70), consume(40), set_tier("PRO"), consume(40))
    outcomes = [reply.outcome for reply in answer.replies]
    assert outcomes == [Outcome.GRANTED, Outcome.RATE_LIMITED, Outcome.APPLIED, Outcome.GRANTED]
    assert {event.at_ms for event in answer.events} == {MIDNIGHT_MS}
