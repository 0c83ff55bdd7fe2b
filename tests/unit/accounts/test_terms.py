"""Which terms apply: tiers, aliases, providers' own entries, an account's own limits."""

import pytest

from schemas.limits import Unit
from schemas.outcomes import Outcome
from schemas.policies import DefaultTiers, Tier
from schemas.replies import AccountReading, ProviderReading
from tests.unit.accounts.commands import (
    ACME,
    ALICE,
    BOB,
    concurrency,
    consume,
    leaky,
    policy,
    publish,
    query,
    set_limits,
    set_tier,
    window,
)
from tests.unit.accounts.partition import NewPartition, Partition


def reading(partition: Partition, account: str = ALICE) -> AccountReading:
    found = partition.when(query(account)).reply.reading
    assert found is not None
    return found


def qwen(partition: Partition, account: str = ALICE) -> ProviderReading:
    return next(each for each in reading(partition, account).providers if each.provider == "qwen")


def capacities(partition: Partition, account: str = ALICE) -> dict[str, int]:
    return {limit.name: limit.limit for limit in qwen(partition, account).limits}


def test_a_new_account_has_the_default_tier_of_its_sort(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    assert reading(partition, ALICE).tier == "FREE"
    assert reading(partition, ACME).tier == "ORG"


def test_the_tiers_multiplier_scales_capacity_and_rate_of_scaled_limits_alone(
    new_partition: NewPartition,
) -> None:
    rules = (
        leaky(100, 10),
        window(60),
        concurrency(4),
        leaky(7, 1, name="as-it-stands", scaled=False),
        window(9, name="window-as-it-stands", scaled=False),
    )
    partition = new_partition(policy(*rules)).given(set_tier("PRO"))
    assert capacities(partition) == {
        "bucket": 1000,
        "window": 600,
        "at-once": 40,
        "as-it-stands": 7,
        "window-as-it-stands": 9,
    }
    rate = new_partition(policy(leaky(100, 10))).given(set_tier("PRO"), consume(1000))
    assert rate.when(consume(100)).retry_ms == 1000


def test_a_tier_is_given_by_its_name_or_an_alias_and_taken_back_by_none(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy()).given(set_tier("PRO"))
    assert reading(partition).tier == "PRO"
    assert reading(partition.given(set_tier("USER"))).tier == "FREE"
    assert reading(partition.given(set_tier("PRO"), set_tier(None))).tier == "FREE"
    assert reading(partition, BOB).tier == "FREE"


def test_a_tier_that_the_policy_does_not_have_is_refused(new_partition: NewPartition) -> None:
    answer = new_partition(policy()).when(set_tier("GOLD"))
    assert answer.outcome is Outcome.UNKNOWN_TIER
    assert answer.types == ["denied"]
    assert answer.reply.detail == "the policy has no tier GOLD; it has FREE, ORG, PRO"


def test_a_tier_that_a_later_policy_dropped_counts_as_the_default_until_it_returns(
    new_partition: NewPartition,
) -> None:
    with_pro = policy(leaky(10))
    without = policy(leaky(10), version=2, tiers={"FREE": with_pro.tiers["FREE"], "ORG": Tier()})
    partition = new_partition(with_pro).given(set_tier("PRO"), publish(without))
    assert capacities(partition) == {"bucket": 10}
    partition.given(publish(policy(leaky(10), version=3)))
    assert capacities(partition) == {"bucket": 100}


def test_another_default_tier_counts_at_once(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10)))
    defaults = DefaultTiers(user="PRO", org="FREE")
    partition.given(publish(policy(leaky(10), version=2, default_tiers=defaults)))
    assert reading(partition).tier == "PRO"
    assert reading(partition, ACME).tier == "FREE"


def test_a_providers_own_entry_goes_before_the_one_for_any(new_partition: NewPartition) -> None:
    tiers = {
        "FREE": Tier(allowances={"*": 500, "qwen": 70}),
        "ORG": Tier(allowances={"qwen": 30}),
        "PRO": Tier(),
    }
    rules = {"*": (leaky(10),), "qwen": (leaky(20),)}
    partition = new_partition(policy(tiers=tiers, limits=rules))
    by_name = {each.provider: each for each in reading(partition).providers}
    assert by_name["qwen"].quota.allowance_tokens == 70
    assert by_name["gemini"].quota.allowance_tokens == 500
    assert [limit.limit for limit in by_name["qwen"].limits] == [20]
    assert [limit.limit for limit in by_name["gemini"].limits] == [10]
    of_acme = {each.provider: each for each in reading(partition, ACME).providers}
    assert (of_acme["qwen"].known, of_acme["gemini"].known) == (True, False)


def test_without_an_entry_there_is_no_limit(new_partition: NewPartition) -> None:
    partition = new_partition(policy(limits={"gemini": (leaky(10),)}))
    assert partition.when(consume(100_000)).outcome is Outcome.GRANTED


def test_own_limits_replace_those_of_their_name_unscaled_and_further_ones_come_last(
    new_partition: NewPartition,
) -> None:
    rules = (leaky(10), window(20, unit=Unit.REQUESTS))
    partition = new_partition(policy(*rules)).given(set_tier("PRO"))
    partition.given(set_limits(concurrency(3), leaky(50)))
    assert list(capacities(partition).items()) == [("bucket", 50), ("window", 200), ("at-once", 3)]
    assert capacities(partition.given(set_limits())) == {"bucket": 100, "window": 200}


def test_own_limits_are_one_accounts_and_one_providers(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10))).given(set_limits(leaky(50)))
    assert capacities(partition, BOB) == {"bucket": 10}
    assert partition.when(consume(11, provider="gemini")).outcome is Outcome.EXCEEDS_CAPACITY


def test_own_limits_for_an_unknown_provider_are_refused(new_partition: NewPartition) -> None:
    answer = new_partition(policy()).when(set_limits(leaky(5), provider="nobody"))
    assert answer.outcome is Outcome.UNKNOWN_PROVIDER
    assert answer.types == ["denied"]


@pytest.mark.parametrize("tier", ["PRO", None])
def test_a_limit_that_a_tier_changes_keeps_what_was_used(
    new_partition: NewPartition, tier: str | None
) -> None:
    partition = new_partition(policy(leaky(10))).given(consume(10), set_tier(tier))
    assert qwen(partition).limits[0].used == 10


def test_own_limits_can_be_removed_for_a_provider_that_the_policy_no_longer_lists(
    new_partition: NewPartition,
) -> None:
    answer = new_partition(policy()).when(set_limits(provider="nobody"))
    assert answer.outcome is Outcome.APPLIED
