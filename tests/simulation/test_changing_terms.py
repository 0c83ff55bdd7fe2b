"""What limits remember when their terms change: both sides on paths that chance rarely takes."""

from collections.abc import Sequence

import pytest

from schemas.commands import Consume, Reserve, Settle, Void
from schemas.limits import (
    ConcurrencyRule,
    FixedWindowRule,
    LeakyBucketRule,
    LimitRule,
    TokenBucketRule,
    Unit,
)
from schemas.policies import DefaultTiers, PolicyDocument, Tier
from tests.simulation.comparison import Pair
from tests.simulation.product import ISSUER, ProductPartition
from tests.simulation.strategies import ACCOUNTS, REPLY_TO

FIRST_CHANGE_MS = 15_000
CLOSED_MS = 20_000
SECOND_CHANGE_MS = 20_010
READ_MS = (20_010, 20_020, 20_999, 25_000, 60_000, 200_000)

Bucket = type[LeakyBucketRule] | type[TokenBucketRule]


def bucket(
    kind: Bucket = LeakyBucketRule,
    unit: Unit = Unit.TOKENS,
    capacity: int = 1000,
    amount: int = 1,
    period_ms: int = 1000,
) -> LimitRule:
    return kind(name="a", unit=unit, capacity=capacity, amount=amount, period_ms=period_ms)


def window(window_ms: int) -> LimitRule:
    return FixedWindowRule(name="a", limit=1000, window_ms=window_ms)


def concurrency() -> LimitRule:
    return ConcurrencyRule(name="a", unit=Unit.TOKENS, limit=1000)


def policy(version: int, limits: Sequence[LimitRule]) -> PolicyDocument:
    return PolicyDocument(
        name="changing",
        version=version,
        time_zone_data="none",
        providers=("qwen",),
        tiers={"FREE": Tier(allowances={"*": 10_000})},
        default_tiers=DefaultTiers(user="FREE", org="FREE"),
        limits={"*": tuple(limits)},
        issuers=(ISSUER.public(),),
    )


CHANGES: dict[str, tuple[list[LimitRule], list[LimitRule], list[LimitRule]]] = {
    "the rate rises": ([bucket()], [bucket()], [bucket(amount=2)]),
    "the rate of requests rises": (
        [bucket(unit=Unit.REQUESTS)],
        [bucket(unit=Unit.REQUESTS)],
        [bucket(unit=Unit.REQUESTS, amount=7)],
    ),
    "the period changes and comes back": (
        [bucket(period_ms=7777)],
        [bucket(period_ms=999)],
        [bucket(period_ms=7777)],
    ),
    "a token bucket grows": (
        [bucket(TokenBucketRule, capacity=200)],
        [bucket(TokenBucketRule, capacity=200)],
        [bucket(TokenBucketRule, capacity=900, period_ms=3001)],
    ),
    "a token bucket shrinks and grows": (
        [bucket(TokenBucketRule, capacity=900, period_ms=3001)],
        [bucket(TokenBucketRule, capacity=160, period_ms=3001)],
        [bucket(TokenBucketRule, capacity=500, period_ms=3001)],
    ),
    "the kind changes and comes back": (
        [bucket()],
        [bucket(TokenBucketRule)],
        [bucket()],
    ),
    "a window's length changes and comes back": (
        [window(100_000)],
        [window(7)],
        [window(100_000)],
    ),
    "the limit goes and comes back": ([bucket()], [], [bucket()]),
    "the limit counts open holds meanwhile": ([bucket()], [concurrency()], [bucket()]),
}


@pytest.mark.parametrize("used", [None, 0, 4, 10, 25], ids=lambda used: f"used-{used}")
@pytest.mark.parametrize("asked_meanwhile", [0, 30], ids=["idle", "busy"])
@pytest.mark.parametrize("ttl_ms", [60_000, 16_000], ids=["in-time", "late"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_limit_remembers_the_same_when(
    change: str, ttl_ms: int, asked_meanwhile: int, used: int | None
) -> None:
    before, meanwhile, after = CHANGES[change]
    account = ACCOUNTS[0]
    pair = Pair((account,), ProductPartition())
    pair.publish(policy(1, before), 0)
    reserve = Reserve(
        command_id="reserve",
        reply_to=REPLY_TO,
        account=account,
        provider="qwen",
        tokens=10,
        hold_ttl_ms=ttl_ms,
    )
    pair.decide([reserve], 0)
    [hold_id] = pair.hold_names

    pair.publish(policy(2, meanwhile), FIRST_CHANGE_MS)
    if asked_meanwhile:
        consume = Consume(
            command_id="consume",
            reply_to=REPLY_TO,
            account=account,
            provider="qwen",
            tokens=asked_meanwhile,
        )
        pair.decide([consume], FIRST_CHANGE_MS)
    if used is None:
        pair.decide(
            [Void(command_id="close", reply_to=REPLY_TO, account=account, hold_id=hold_id)],
            CLOSED_MS,
        )
    else:
        settle = Settle(
            command_id="close",
            reply_to=REPLY_TO,
            account=account,
            hold_id=hold_id,
            tokens=used,
        )
        pair.decide([settle], CLOSED_MS)
    pair.publish(policy(3, after), SECOND_CHANGE_MS)

    for at_ms in READ_MS:
        pair.check_readings(at_ms)
