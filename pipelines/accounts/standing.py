"""How an account stands with one provider at a moment: what every decision starts from."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pipelines.accounts.memory import AccountMemory
from pipelines.accounts.messages import AllowanceChanged, LimitChange, LimitReading, QuotaReading
from pipelines.accounts.pots import quota_move
from pipelines.accounts.terms import Rules, Terms
from schemas.limits import LimitKind, Unit
from state import quotas
from state.accounts import OpenHold, ProviderState
from state.limits import CONCURRENCY, LimitTerms, Meter, meter_at, reset_after_ms
from state.quotas import Quota


class Standing(NamedTuple):
    """Quota and meters as of `now_ms`, under the terms of that moment.

    `stored` is the quota as remembered, `quota` the same with its window as it has to be now.
    """

    provider: str
    now_ms: int
    terms: Terms
    stored: Quota
    quota: Quota
    meters: dict[str, Meter]
    open_holds: tuple[OpenHold, ...]

    @property
    def after_refusal(self) -> Quota:
        """The quota that a refusal leaves: only a window that pays debt opens all the same."""
        return self.quota if self.quota.debt < self.stored.debt else self.stored

    def holding_milli(self, limit: LimitTerms) -> int:
        """What the provider's open holds count for a concurrency limit."""
        return sum(limit.cost(hold.tokens) for hold in self.open_holds)

    def readings(self) -> tuple[LimitReading, ...]:
        return tuple(limit_reading(self._unchanged(limit)) for limit in self.terms.limits)

    def _unchanged(self, limit: LimitTerms) -> LimitChange:
        if limit.kind == CONCURRENCY:
            holding = self.holding_milli(limit)
            return concurrency_change(limit, holding, holding)
        meter = self.meters[limit.name]
        return meter_change(limit, meter, meter)

    def quota_reading(self) -> QuotaReading:
        return read_quota(self.quota, self.terms, self.now_ms)


def standing(
    memory: AccountMemory, rules: Rules, provider: str, now_ms: int, *, opening: bool
) -> Standing:
    """How the account stands; with `opening` an allowance window is opened where none is."""
    account = memory.account
    terms = rules.terms(memory.account_id, account, provider)
    state = account.providers.get(provider) or ProviderState()
    return Standing(
        provider,
        now_ms,
        terms,
        state.quota,
        quotas.renewed(
            state.quota, terms.allowance_tokens, terms.window_length_ms, now_ms, opening=opening
        ),
        {
            limit.name: meter_at(state.meters.get(limit.name), limit, now_ms)
            for limit in terms.limits
            if limit.kind != CONCURRENCY
        },
        tuple(hold for hold in account.open_holds if hold.provider == provider)
        if account.open_holds
        else (),
    )


def read_quota(quota: Quota, terms: Terms, now_ms: int) -> QuotaReading:
    """The quota as a command at the same moment would meet it; a window that ended is none."""
    met = quotas.renewed(
        quota, terms.allowance_tokens, terms.window_length_ms, now_ms, opening=True
    )
    is_open = met.window_end_ms == quota.window_end_ms
    return quota_reading(met, terms, met.window_end_ms if is_open else None)


def quota_reading(quota: Quota, terms: Terms, reset_at_ms: int | None) -> QuotaReading:
    """The quota as it stands."""
    return QuotaReading(
        total_tokens=quota.total,
        remaining_tokens=quota.remaining,
        allowance_tokens=quota.allowance,
        purchased_tokens=quota.purchased - quota.revoked,
        held_tokens=quota.held_in_all,
        debt_tokens=quota.debt,
        window_ms=terms.window_length_ms if terms.allowance_tokens else None,
        reset_at_ms=reset_at_ms,
    )


_KINDS = {kind.value: kind for kind in LimitKind}
_UNITS = {unit.value: unit for unit in Unit}


def meter_change(limit: LimitTerms, before: Meter, after: Meter) -> LimitChange:
    """A bucket or window before and after; both as of the same moment."""
    return LimitChange(
        name=limit.name,
        kind=_KINDS[limit.kind],
        unit=_UNITS[limit.unit],
        limit=limit.capacity_milli // 1000,
        before=before.level,
        after=after.level,
        period_ms=after.period_ms,
        remainder=after.remainder,
        drained=after.drained,
        drained_remainder=after.drained_remainder,
        window_start_ms=after.window_start_ms,
        generation=after.generation,
        window_ms=limit.window_ms,
        reset_ms=reset_after_ms(after, limit),
    )


def limit_reading(change: LimitChange) -> LimitReading:
    """A limit after an event in whole units, as replies report it."""
    used = -(-change.after // 1000)
    return LimitReading(
        name=change.name,
        kind=change.kind,
        unit=change.unit,
        limit=change.limit,
        used=max(0, used),
        remaining=max(0, change.limit - used),
        window_ms=change.window_ms,
        reset_ms=change.reset_ms,
    )


def concurrency_change(limit: LimitTerms, before: int, after: int) -> LimitChange:
    """What open holds count for a concurrency limit, before and after."""
    return LimitChange(
        name=limit.name,
        kind=LimitKind.CONCURRENCY,
        unit=_UNITS[limit.unit],
        limit=limit.capacity_milli // 1000,
        before=before,
        after=after,
    )


def allowance_events(
    memory: AccountMemory, rules: Rules, stood: Standing, at_ms: int
) -> Iterable[AllowanceChanged]:
    """The event of what `renewed` did to the allowance's window, if it did anything."""
    before, after = stood.stored, stood.quota
    if before is after:
        return
    cause: Literal["window-opened", "window-ended", "terms-changed"] = "terms-changed"
    if after.window_start_ms != before.window_start_ms:
        cause = "window-ended" if after.window_start_ms is None else "window-opened"
    yield AllowanceChanged(
        account=memory.account_id,
        at_ms=at_ms,
        policy_version=rules.version,
        provider=stood.provider,
        cause=cause,
        window_start_ms=after.window_start_ms,
        window_end_ms=after.window_end_ms,
        allowance_tokens=after.allowance,
        quota_move=quota_move(before, after),
    )
