"""What the simulation draws: small policies and commands, so that every limit is soon met."""

from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from hypothesis import strategies as st

from schemas.commands import (
    AccountCommand,
    AccountStatus,
    Allocate,
    Consume,
    Reserve,
    Revoke,
    SetLimits,
    SetStatus,
    SetTier,
)
from schemas.limits import (
    ConcurrencyRule,
    FixedWindowRule,
    LeakyBucketRule,
    LimitRule,
    TokenBucketRule,
    Unit,
)
from schemas.policies import DefaultTiers, PolicyDocument, RollingWindow, Tier
from tests.simulation.product import ISSUER, accounts_of_the_partition

T = TypeVar("T")

PROVIDERS = ("qwen", "gemini")
TIERS = ("FREE", "PRO")

UNIT_OF_LIMIT = {
    "alpha": Unit.TOKENS,
    "beta": Unit.TOKENS,
    "gamma": Unit.REQUESTS,
    "delta": Unit.REQUESTS,
}
"""A name keeps its unit for ever; its kind and figures change."""

ACCOUNTS = (*accounts_of_the_partition("user", 1), *accounts_of_the_partition("org", 1))
REPLY_TO = "replies/0"

account_ids = st.sampled_from((ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[0], ACCOUNTS[1]))
providers = st.sampled_from(("qwen", "qwen", "qwen", "gemini"))
tokens = st.integers(1, 40) | st.integers(1, 130)
hold_ttls_ms = st.none() | st.sampled_from([1000, 1500, 4000, 20_000])


def _rules(name: str) -> list[LimitRule]:
    """Limits of every kind under one name, with figures that a few commands reach."""
    unit = UNIT_OF_LIMIT[name]
    capacities = (60, 100, 199) if unit is Unit.TOKENS else (1, 3, 5)
    rates = ((0, 1000), (1, 1), (3, 7), (10, 333), (10, 1000), (1, 60_000), (7, 60_000))
    rules: list[LimitRule] = []
    for capacity, scaled in product(capacities, (False, True)):
        for bucket, (amount, period_ms) in product((LeakyBucketRule, TokenBucketRule), rates):
            rules.append(
                bucket(
                    name=name,
                    unit=unit,
                    scaled=scaled,
                    capacity=capacity,
                    amount=amount,
                    period_ms=period_ms,
                )
            )
        rules += [
            FixedWindowRule(
                name=name, unit=unit, scaled=scaled, limit=capacity, window_ms=window_ms
            )
            for window_ms in (1, 7, 1000, 4000, 60_000)
        ]
        rules += [ConcurrencyRule(name=name, unit=unit, scaled=scaled, limit=capacity)] * 3
    return rules


RULES = [rule for name in UNIT_OF_LIMIT for rule in _rules(name)]


def limit_lists(most: int) -> st.SearchStrategy[tuple[LimitRule, ...]]:
    """At most `most` limits, each name once, in any order."""
    # By number: the rules themselves would make a representation of 70 kB.
    numbers = st.integers(0, len(RULES) - 1)
    lists = st.lists(numbers, max_size=most, unique_by=lambda number: RULES[number].name)
    return lists.map(lambda chosen: tuple(RULES[number] for number in chosen))


allowance_tokens = st.sampled_from([300, 100, 1000, 1000, 0])
allowances = st.fixed_dictionaries(
    {"*": allowance_tokens}, optional={"qwen": allowance_tokens, "gemini": allowance_tokens}
)

tiers = st.builds(
    Tier,
    multiplier=st.integers(1, 3),
    allowances=allowances,
    window=st.sampled_from([RollingWindow(length_ms=ms) for ms in (1000, 3000, 10_000, 10**8)]),
)


@st.composite
def policies(draw: st.DrawFn, version: int) -> PolicyDocument:
    """A policy of `version`; PRO and gemini come and go, FREE and qwen stay."""
    names = draw(st.sampled_from([TIERS, TIERS, TIERS[:1]]))
    limit_keys = draw(st.sampled_from([("*",), ("*",), ("qwen",), ("*", "qwen")]))
    return PolicyDocument(
        name="simulated",
        version=version,
        time_zone_data="none",
        providers=draw(st.sampled_from([PROVIDERS] * 5 + [PROVIDERS[:1]])),
        tiers={"ORG": draw(tiers), **{name: draw(tiers) for name in names}},
        tier_aliases={"USER": "FREE"},
        default_tiers=DefaultTiers(user="FREE", org="ORG"),
        limits={key: draw(limit_lists(most=3)) for key in limit_keys},
        hold_ttl_ms=draw(st.sampled_from([1000, 2500, 60_000])),
        recent_command_ttl_ms=draw(st.sampled_from([1000, 3000, 600_000])),
        closed_hold_ttl_ms=draw(st.sampled_from([1000, 5000, 86_400_000])),
        max_open_holds=draw(st.sampled_from([1, 2, 3, 8])),
        issuers=(ISSUER.public(),),
    )


def _commands(sort: type[T], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[T]:
    return st.fixed_dictionaries(
        {
            "command_id": st.just("not-numbered"),
            "reply_to": st.just(REPLY_TO),
            "account": account_ids,
            **fields,
        }
    ).map(lambda drawn: sort(**drawn))


admissions = st.one_of(
    _commands(Consume, provider=providers, tokens=tokens),
    _commands(Reserve, provider=providers, tokens=tokens, hold_ttl_ms=hold_ttls_ms),
)

administrations: st.SearchStrategy[AccountCommand | PolicyDocument] = st.one_of(
    policies(version=1),
    _commands(SetTier, tier=st.sampled_from([None, "FREE", "PRO", "PRO", "USER", "NONE"])),
    _commands(SetLimits, provider=providers, limits=limit_lists(most=2)),
    _commands(SetStatus, status=st.sampled_from([AccountStatus.OPEN] * 4 + [*AccountStatus])),
)

balance_moves: st.SearchStrategy[AccountCommand] = st.one_of(
    _commands(Allocate, provider=providers, tokens=st.sampled_from([1, 40, 100, 250])),
    _commands(Revoke, provider=providers, tokens=st.sampled_from([1, 40, 100, 250])),
)


@dataclass(frozen=True)
class SettledTokens:
    """What a settle charges, said by what its hold holds."""

    percent: int
    more: int

    def of(self, held: int) -> int:
        return max(0, held * self.percent // 100 + self.more)


settled_tokens = st.builds(
    SettledTokens,
    percent=st.sampled_from([100, 100, 0, 50, 150, 400, 2000]),
    more=st.sampled_from([0, 0, -1, 1]),
)

rarely = st.sampled_from([False] * 7 + [True])
