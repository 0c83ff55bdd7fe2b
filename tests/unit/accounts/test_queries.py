"""A query closes what has expired, changes nothing else, and says what a command would meet."""

from schemas.commands import AccountStatus
from schemas.outcomes import Outcome
from schemas.replies import AccountReading
from tests.unit.accounts.commands import (
    ACME,
    ALICE,
    allocate,
    concurrency,
    consume,
    leaky,
    policy,
    publish,
    query,
    reserve,
    revoke,
    set_status,
    set_tier,
    token_bucket,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, Answer, NewPartition


def reading(answer: Answer) -> AccountReading:
    assert answer.outcome is Outcome.ANSWERED
    assert answer.reply.reading is not None
    return answer.reply.reading


def test_an_account_that_never_was_has_its_tiers_terms_and_leaves_no_trace(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy(leaky(1000)))
    before = dict(partition.durable)
    found = reading(partition.when(query()))
    assert (found.tier, found.status, found.open_holds) == ("FREE", AccountStatus.OPEN, 0)
    assert found.updated_at_ms is None
    assert [each.provider for each in found.providers] == ["gemini", "qwen"]
    qwen = found.providers[1]
    assert qwen.known
    assert (qwen.quota.total_tokens, qwen.quota.remaining_tokens) == (100_000, 100_000)
    assert qwen.quota.reset_at_ms is None
    assert {key for key in partition.durable if partition.durable[key] != before.get(key)} == {
        b"!position"
    }


def test_a_query_reports_what_the_commands_before_it_left(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(1000, 10), token_bucket(500, name="t"), concurrency(4)))
    partition.given(allocate(40), consume(100), reserve(50), revoke(10))
    found = reading(partition.at(1000).when(query(provider="qwen")))
    assert found.open_holds == 1
    assert found.updated_at_ms == MIDNIGHT_MS
    (qwen,) = found.providers
    assert [(each.name, each.used, each.remaining) for each in qwen.limits] == [
        ("bucket", 140, 860),
        ("t", 150, 350),
        ("at-once", 1, 3),
    ]
    assert [each.reset_ms for each in qwen.limits] == [14_000, None, None]
    quota = qwen.quota
    assert (quota.total_tokens, quota.purchased_tokens, quota.held_tokens) == (100_030, 30, 50)
    assert quota.remaining_tokens == 100_030 - 150
    assert quota.reset_at_ms == MIDNIGHT_MS + 86_400_000


def test_a_query_closes_what_has_expired_and_nothing_else(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(reserve(50, hold_ttl_ms=1000), reserve(50))
    assert partition.at(1000).when(query()).types == ["hold-expired"]
    assert partition.when(query()).types == []
    assert partition.account(ALICE).open_holds[0].tokens == 50


def test_a_provider_without_allowance_is_known_once_tokens_were_bought(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy()).given(allocate(5, account=ACME), consume(5, account=ACME))
    partition.when(revoke(5, account=ACME))
    by_name = {each.provider: each for each in reading(partition.when(query(ACME))).providers}
    assert (by_name["qwen"].known, by_name["gemini"].known) == (True, False)


def test_a_query_for_an_unknown_provider_says_so(new_partition: NewPartition) -> None:
    answer = new_partition(policy()).when(query(provider="nobody"))
    assert answer.outcome is Outcome.UNKNOWN_PROVIDER
    assert answer.reply.reading is not None
    assert answer.reply.reading.providers == ()


def test_a_provider_that_a_policy_dropped_can_still_be_read(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5))
    partition.given(publish(policy(version=2, providers=("gemini",))))
    found = reading(partition.when(query()))
    assert [each.provider for each in found.providers] == ["gemini", "qwen"]
    assert partition.when(consume(5)).outcome is Outcome.UNKNOWN_PROVIDER


def test_a_query_is_answered_whatever_the_accounts_status(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(set_status(AccountStatus.CLOSED), set_tier("PRO"))
    found = reading(partition.when(query()))
    assert (found.status, found.tier) == (AccountStatus.CLOSED, "PRO")


def test_a_query_repeated_reads_anew(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    same = query(provider="qwen")
    first = reading(partition.when(same))
    second = reading(partition.given(consume(5)).when(same))
    assert first.providers[0].quota.remaining_tokens == 100_000
    assert second.providers[0].quota.remaining_tokens == 99_995
