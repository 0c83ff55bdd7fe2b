"""The policy of a new system: a free tier with a real allowance, so that it works at once."""

from schemas.limits import LeakyBucketRule
from schemas.policies import (
    ANY_PROVIDER,
    DefaultTiers,
    IssuerKey,
    PolicyDocument,
    Tier,
)


def default_policy(issuers: tuple[IssuerKey, ...], time_zone_data: str) -> PolicyDocument:
    """Version 1 of the policy `default`, which trusts `issuers`.

    Per account and provider: a leaky bucket of 1,000 tokens that leaks 10 a second, times the
    tier's multiplier, and the tier's allowance in 24 h from first use.
    """
    return PolicyDocument(
        name="default",
        version=1,
        time_zone_data=time_zone_data,
        providers=("gemini", "openai", "qwen"),
        tiers={
            "FREE": _tier(priority=10, multiplier=1, allowance_tokens=100_000),
            "ADMIN": _tier(priority=20, multiplier=2, allowance_tokens=500_000),
            "PRO": _tier(priority=30, multiplier=20, allowance_tokens=2_000_000),
            "ENTERPRISE": _tier(priority=40, multiplier=200, allowance_tokens=50_000_000),
            "ORG": Tier(priority=0, multiplier=20),
        },
        tier_aliases={"USER": "FREE"},
        default_tiers=DefaultTiers(user="FREE", org="ORG"),
        limits={ANY_PROVIDER: (LeakyBucketRule(name="tokens", capacity=1000, amount=10),)},
        issuers=issuers,
    )


def _tier(priority: int, multiplier: int, allowance_tokens: int) -> Tier:
    return Tier(
        priority=priority,
        multiplier=multiplier,
        allowances={ANY_PROVIDER: allowance_tokens},
    )
