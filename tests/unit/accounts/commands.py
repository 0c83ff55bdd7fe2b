"""Short ways to say the commands, policies and accounts of a test."""

from itertools import count

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.commands import (
    AccountStatus,
    Allocate,
    Consume,
    PublishPolicy,
    Query,
    Reserve,
    Revoke,
    SetLimits,
    SetStatus,
    SetTier,
    Settle,
    Void,
)
from schemas.limits import (
    ConcurrencyRule,
    FixedWindowRule,
    LeakyBucketRule,
    LimitRule,
    TokenBucketRule,
    Unit,
)
from schemas.policies import ANY_PROVIDER, DefaultTiers, PolicyDocument, RollingWindow, Tier
from schemas.signing import Issuer
from topics.partitioning import partition_of_account

PARTITIONS = 12
PARTITION = 5
REPLY_TO = "replies/3"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"the issuer that the policy names"))
STRANGER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"an issuer that no policy knows  "))


def accounts_of(partition: int, sort: str, many: int) -> list[str]:
    """The first `many` accounts of a sort (`user`, `org`) that belong to the partition."""
    every = (f"{sort}:00000000-0000-4000-8000-{number:012x}" for number in count())
    ours = (name for name in every if partition_of_account(name, PARTITIONS) == partition)
    return [next(ours) for _ in range(many)]


ALICE, BOB = accounts_of(PARTITION, "user", 2)
(ACME,) = accounts_of(PARTITION, "org", 1)
(FAR_AWAY,) = accounts_of(PARTITION + 1, "user", 1)

_numbers = count(1)


def policy(
    *limits: LimitRule,
    version: int = 1,
    allowance: int = 100_000,
    window_ms: int = DAY_MS,
    multiplier: int = 1,
    **fields: object,
) -> PolicyDocument:
    """A policy whose default tier FREE has these limits and this allowance for every provider."""
    window = RollingWindow(length_ms=window_ms)
    free = Tier(multiplier=multiplier, allowances={ANY_PROVIDER: allowance}, window=window)
    stated: dict[str, object] = {
        "name": "tested",
        "version": version,
        "time_zone_data": "none",
        "providers": ("gemini", "qwen"),
        "tiers": {
            "FREE": free,
            "PRO": Tier(multiplier=10, allowances={ANY_PROVIDER: 20 * allowance}, window=window),
            "ORG": Tier(),
        },
        "tier_aliases": {"USER": "FREE"},
        "default_tiers": DefaultTiers(user="FREE", org="ORG"),
        "limits": {ANY_PROVIDER: limits},
        "issuers": (ISSUER.public(),),
    }
    return PolicyDocument.model_validate(stated | fields)


def leaky(capacity: int, amount: int = 0, period_ms: int = 1000, **named: object) -> LimitRule:
    return LeakyBucketRule.model_validate(
        {"name": "bucket", "capacity": capacity, "amount": amount, "period_ms": period_ms} | named
    )


def token_bucket(
    capacity: int, amount: int = 0, period_ms: int = 1000, **named: object
) -> LimitRule:
    return TokenBucketRule.model_validate(
        {"name": "bucket", "capacity": capacity, "amount": amount, "period_ms": period_ms} | named
    )


def window(limit: int, window_ms: int = 60_000, **named: object) -> LimitRule:
    return FixedWindowRule.model_validate(
        {"name": "window", "limit": limit, "window_ms": window_ms} | named
    )


def concurrency(limit: int, unit: Unit = Unit.REQUESTS, name: str = "at-once") -> LimitRule:
    return ConcurrencyRule(name=name, limit=limit, unit=unit)


def _said(command_id: str | None, account: str) -> dict[str, object]:
    return {
        "command_id": command_id or f"command-{next(_numbers)}",
        "reply_to": REPLY_TO,
        "account": account,
    }


def consume(
    tokens: int,
    command_id: str | None = None,
    account: str = ALICE,
    provider: str = "qwen",
    **fields: object,
) -> Consume:
    said = _said(command_id, account) | {"tokens": tokens, "provider": provider}
    return Consume.model_validate(said | fields)


def reserve(
    tokens: int,
    command_id: str | None = None,
    account: str = ALICE,
    provider: str = "qwen",
    **fields: object,
) -> Reserve:
    said = _said(command_id, account) | {"tokens": tokens, "provider": provider}
    return Reserve.model_validate(said | fields)


def settle(hold_id: str, tokens: int, account: str = ALICE) -> Settle:
    return Settle.model_validate(_said(None, account) | {"hold_id": hold_id, "tokens": tokens})


def void(hold_id: str, account: str = ALICE, reason: str | None = None) -> Void:
    return Void.model_validate(_said(None, account) | {"hold_id": hold_id, "reason": reason})


def query(account: str = ALICE, provider: str | None = None) -> Query:
    return Query.model_validate(_said(None, account) | {"provider": provider})


def allocate(
    tokens: int, command_id: str | None = None, account: str = ALICE, provider: str = "qwen"
) -> Allocate:
    said = _said(command_id, account) | {"tokens": tokens, "provider": provider}
    return Allocate.model_validate(said)


def revoke(tokens: int, account: str = ALICE, provider: str = "qwen") -> Revoke:
    return Revoke.model_validate(_said(None, account) | {"tokens": tokens, "provider": provider})


def set_tier(tier: str | None, account: str = ALICE) -> SetTier:
    return SetTier.model_validate(_said(None, account) | {"tier": tier})


def set_status(status: AccountStatus, account: str = ALICE) -> SetStatus:
    return SetStatus.model_validate(_said(None, account) | {"status": status})


def set_limits(*limits: LimitRule, account: str = ALICE, provider: str = "qwen") -> SetLimits:
    return SetLimits.model_validate(_said(None, account) | {"provider": provider, "limits": limits})


def publish(document: PolicyDocument) -> PublishPolicy:
    return PublishPolicy(
        command_id=f"policy-{document.version}", reply_to=REPLY_TO, policy=document
    )
