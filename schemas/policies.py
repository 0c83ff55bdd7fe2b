"""The policy: everything that decides and is not an account's own state.

A policy travels in the command log and is stored per partition; a decision names the version it
was taken under. `rules_version` selects the code that parses, computes and writes events.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import Message, Name, Tokens
from schemas.limits import LimitRule

ANY_PROVIDER = "*"

ProviderKey = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9._-]{0,63})$")]
"""A provider's name in lower case, or `*` for every provider without an entry of its own."""


class RollingWindow(Message):
    """An allowance window that starts at first use and lasts `length_ms` (24 h by default)."""

    kind: Literal["rolling"] = "rolling"
    length_ms: Annotated[int, Field(ge=1000, le=10**11)] = 86_400_000


class Tier(Message):
    """What accounts of one tier get.

    `allowances`: tokens per provider and window, none where neither the provider nor `*` has an
    entry. `multiplier` scales every limit marked `scaled`. The highest `priority` wins where an
    account could have several tiers.
    """

    priority: Annotated[int, Field(ge=0, le=1000)] = 0
    multiplier: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    allowances: dict[ProviderKey, Tokens] = Field(default_factory=dict)
    window: RollingWindow = RollingWindow()


class IssuerKey(Message):
    """A public key that may sign privileged commands: Ed25519, 32 bytes in base64url."""

    key_id: Name
    public_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class DefaultTiers(Message):
    """The tier of an account that was given none."""

    user: Name
    org: Name


class PolicyDocument(Message):
    """A published policy. A partition applies only a version higher than its own."""

    name: Name
    version: Annotated[int, Field(ge=1, le=2**31)]
    rules_version: Literal[1] = 1
    time_zone_data: str
    providers: Annotated[tuple[ProviderKey, ...], Field(min_length=1, max_length=1000)]
    tiers: Annotated[dict[Name, Tier], Field(min_length=1, max_length=1000)]
    tier_aliases: dict[Name, Name] = Field(default_factory=dict)
    default_tiers: DefaultTiers
    limits: dict[ProviderKey, Annotated[tuple[LimitRule, ...], Field(max_length=16)]]
    hold_ttl_ms: Annotated[int, Field(ge=1000, le=600_000)] = 60_000
    recent_command_ttl_ms: Annotated[int, Field(ge=1000, le=86_400_000)] = 600_000
    closed_hold_ttl_ms: Annotated[int, Field(ge=1000, le=864_000_000)] = 86_400_000
    max_open_holds: Annotated[int, Field(ge=1, le=4096)] = 1024
    issuers: Annotated[tuple[IssuerKey, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        named = {self.default_tiers.user, self.default_tiers.org, *self.tier_aliases.values()}
        if missing := sorted(named - self.tiers.keys()):
            raise ValueError(f"tiers has no {', '.join(missing)}, which the policy refers to")
        if ANY_PROVIDER in self.providers:
            raise ValueError("providers takes names; '*' is for limits and allowances")
        for provider, rules in self.limits.items():
            names = [rule.name for rule in rules]
            if len(names) != len(set(names)):
                raise ValueError(f"limits of {provider!r} has two limits of the same name")
        return self
