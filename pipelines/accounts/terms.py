"""A policy as the rules read it: the terms of an account with a provider, scaled and in milli."""

from dataclasses import dataclass

from schemas.limits import LimitRule
from schemas.policies import ANY_PROVIDER, PolicyDocument, Tier
from state.accounts import Account, OwnLimit
from state.limits import MILLI, LimitTerms

MAX_SCALED_UNITS = 10**15
"""What a scaled capacity or amount is at most, so that it fits a state value in thousandths."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an account may do with one provider."""

    allowance_tokens: int
    window_length_ms: int
    limits: tuple[LimitTerms, ...]


class Rules:
    """A policy in force, and what deciding derives from it once per (tier, provider)."""

    def __init__(self, policy: PolicyDocument) -> None:
        self.policy = policy
        self.version = policy.version
        self.providers = frozenset(policy.providers)
        self._terms: dict[tuple[str, str], Terms] = {}

    def tier_name(self, account_id: str, account: Account) -> str:
        """The account's own tier while the policy has it, else the default of its sort."""
        if account.tier is not None and account.tier in self.policy.tiers:
            return account.tier
        defaults = self.policy.default_tiers
        return defaults.org if account_id.startswith("org:") else defaults.user

    def resolve_tier(self, name: str) -> str | None:
        """The tier that `name` means, through the aliases; None when there is none."""
        name = self.policy.tier_aliases.get(name, name)
        return name if name in self.policy.tiers else None

    def terms(self, account_id: str, account: Account, provider: str) -> Terms:
        tier = self.tier_name(account_id, account)
        terms = self._terms.get((tier, provider))
        if terms is None:
            terms = self._tier_terms(self.policy.tiers[tier], provider)
            self._terms[tier, provider] = terms
        own = account.own_limits.get(provider)
        return terms if not own else _with_own_limits(terms, own)

    def _tier_terms(self, tier: Tier, provider: str) -> Terms:
        rules = self.policy.limits.get(provider, self.policy.limits.get(ANY_PROVIDER, ()))
        return Terms(
            tier.allowances.get(provider, tier.allowances.get(ANY_PROVIDER, 0)),
            tier.window.length_ms,
            tuple(limit_terms(rule, tier.multiplier) for rule in rules),
        )


def limit_terms(rule: LimitRule, multiplier: int) -> LimitTerms:
    """The terms of a rule; `multiplier` counts only where the rule is scaled."""
    factor = multiplier if rule.scaled else 1
    if rule.kind == "concurrency":
        return LimitTerms(rule.name, rule.kind, rule.unit.value, _milli(rule.limit * factor))
    if rule.kind == "fixed-window":
        return LimitTerms(
            rule.name, rule.kind, rule.unit.value, _milli(rule.limit * factor), 0, rule.window_ms
        )
    return LimitTerms(
        rule.name,
        rule.kind,
        rule.unit.value,
        _milli(rule.capacity * factor),
        _milli(rule.amount * factor),
        rule.period_ms,
    )


def _milli(units: int) -> int:
    return min(units, MAX_SCALED_UNITS) * MILLI


def own_limit(rule: LimitRule) -> OwnLimit:
    """A rule of set-limits as the account remembers it: as it stands, unscaled."""
    terms = limit_terms(rule, 1)
    return OwnLimit(
        terms.name,
        terms.kind,
        terms.unit,
        terms.capacity_milli,
        terms.amount_milli,
        terms.period_ms,
    )


def _with_own_limits(terms: Terms, own: tuple[OwnLimit, ...]) -> Terms:
    replacing = {limit.name: limit.terms() for limit in own}
    limits = [replacing.pop(limit.name, limit) for limit in terms.limits]
    return Terms(terms.allowance_tokens, terms.window_length_ms, (*limits, *replacing.values()))
