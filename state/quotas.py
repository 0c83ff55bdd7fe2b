"""A quota: an allowance that resets per window, and a purchased balance that never does.

The pots, in whole tokens:

- the current window's `allowance`, of which `spent` and `held`;
- `held_past`: what open holds keep of windows that have ended;
- the purchased balance `purchased - revoked`, of which `purchased_spent` and `purchased_held`;
- `debt`: charges that no pot covered; what becomes free next pays it first.

Invariant: granted + purchased - revoked - lapsed
         = charged + (held + held_past + purchased_held) + remaining - debt.
"""

import msgspec


class QuotaBrokenError(AssertionError):
    """The pots of a quota do not add up: a bug in the rules, never an answer."""


class Quota(msgspec.Struct, frozen=True, array_like=True):
    """The pots of one quota, and its window (epoch ms; None while none is open)."""

    window_start_ms: int | None = None
    window_end_ms: int | None = None
    allowance: int = 0
    spent: int = 0
    held: int = 0
    held_past: int = 0
    purchased: int = 0
    revoked: int = 0
    purchased_spent: int = 0
    purchased_held: int = 0
    debt: int = 0
    charged: int = 0
    granted: int = 0
    lapsed: int = 0

    @property
    def free_allowance(self) -> int:
        return self.allowance - self.spent - self.held

    @property
    def free_purchased(self) -> int:
        return self.purchased - self.revoked - self.purchased_spent - self.purchased_held

    @property
    def remaining(self) -> int:
        return (
            self.allowance
            - self.spent
            - self.held
            + self.purchased
            - self.revoked
            - self.purchased_spent
            - self.purchased_held
        )

    @property
    def held_in_all(self) -> int:
        return self.held + self.held_past + self.purchased_held

    @property
    def total(self) -> int:
        return self.allowance + self.purchased - self.revoked


EMPTY = Quota()

_FIRST_POT = 2
POTS = Quota.__struct_fields__[_FIRST_POT:]
"""The names of the pots: every field but the window's bounds."""


def check(quota: Quota) -> Quota:
    """The quota itself; raises `QuotaBrokenError` when its pots do not add up."""
    free_allowance, free_purchased = quota.free_allowance, quota.free_purchased
    remaining = free_allowance + free_purchased
    given = quota.granted + quota.purchased - quota.revoked - quota.lapsed
    taken = quota.charged + quota.held_in_all + remaining - quota.debt
    if given != taken:
        raise QuotaBrokenError(f"given {given}, taken {taken}: {quota}")
    if free_allowance < 0 or free_purchased < 0 or quota.debt < 0 or quota.held_past < 0:
        raise QuotaBrokenError(f"a pot is below zero: {quota}")
    if quota.debt and remaining:
        raise QuotaBrokenError(f"there is debt beside free tokens: {quota}")
    return quota


def renewed(
    quota: Quota, allowance: int, window_length_ms: int, now_ms: int, *, opening: bool
) -> Quota:
    """The quota once its window is what it has to be at `now_ms` under these terms.

    A window that has ended is closed (what is free in it lapses); with `opening` a new one opens
    when none is open. An open window follows a changed allowance: max(allowance, spent + held).
    Returns the same object when nothing changes.
    """
    if quota.window_end_ms is not None and now_ms >= quota.window_end_ms:
        quota = msgspec.structs.replace(
            quota,
            window_start_ms=None,
            window_end_ms=None,
            allowance=0,
            spent=0,
            held=0,
            held_past=quota.held_past + quota.held,
            lapsed=quota.lapsed + quota.free_allowance,
        )
    if quota.window_start_ms is None:
        if not opening:
            return quota
        opened = msgspec.structs.replace(
            quota,
            window_start_ms=now_ms,
            window_end_ms=now_ms + window_length_ms,
            allowance=allowance,
            granted=quota.granted + allowance,
        )
        return _pay_debt(opened)
    return _follow(quota, allowance)


def _follow(quota: Quota, allowance: int) -> Quota:
    target = max(allowance, quota.spent + quota.held)
    if target == quota.allowance:
        return quota
    more = target - quota.allowance
    return _pay_debt(
        msgspec.structs.replace(
            quota,
            allowance=target,
            granted=quota.granted + max(0, more),
            lapsed=quota.lapsed + max(0, -more),
        )
    )


def split(quota: Quota, tokens: int) -> tuple[int, int]:
    """How `tokens` (at most what remains) fall on (allowance, purchased): allowance first."""
    of_allowance = min(tokens, quota.free_allowance)
    return of_allowance, tokens - of_allowance


def held(quota: Quota, of_allowance: int, of_purchased: int) -> Quota:
    return msgspec.structs.replace(
        quota,
        held=quota.held + of_allowance,
        purchased_held=quota.purchased_held + of_purchased,
    )


def charged(quota: Quota, tokens: int) -> Quota:
    """Charge `tokens`: free allowance, then free purchased tokens, the rest becomes debt."""
    of_allowance = min(tokens, quota.free_allowance)
    of_purchased = min(tokens - of_allowance, quota.free_purchased)
    return msgspec.structs.replace(
        quota,
        spent=quota.spent + of_allowance,
        purchased_spent=quota.purchased_spent + of_purchased,
        debt=quota.debt + tokens - of_allowance - of_purchased,
        charged=quota.charged + tokens,
    )


def closed(
    quota: Quota, of_allowance: int, of_purchased: int, window_start_ms: int | None, used: int
) -> Quota:
    """Close a hold of `of_allowance` + `of_purchased` with `used` tokens (at most its own).

    The allowance's part is used first. What is left returns to its pot, but for an allowance of a
    window that is no longer open: that lapses.
    """
    used_allowance = min(used, of_allowance)
    used_purchased = used - used_allowance
    if of_allowance and window_start_ms == quota.window_start_ms:
        quota = msgspec.structs.replace(
            quota, held=quota.held - of_allowance, spent=quota.spent + used_allowance
        )
    elif of_allowance:
        quota = msgspec.structs.replace(
            quota,
            held_past=quota.held_past - of_allowance,
            lapsed=quota.lapsed + of_allowance - used_allowance,
        )
    return _pay_debt(
        msgspec.structs.replace(
            quota,
            purchased_held=quota.purchased_held - of_purchased,
            purchased_spent=quota.purchased_spent + used_purchased,
            charged=quota.charged + used,
        )
    )


def allocated(quota: Quota, tokens: int) -> Quota:
    return _pay_debt(msgspec.structs.replace(quota, purchased=quota.purchased + tokens))


def revoked(quota: Quota, tokens: int) -> Quota:
    """Take back `tokens`, at most what is free of the purchased balance."""
    taken = min(tokens, quota.free_purchased)
    return msgspec.structs.replace(quota, revoked=quota.revoked + taken)


def _pay_debt(quota: Quota) -> Quota:
    if quota.debt == 0:
        return quota
    of_allowance = min(quota.debt, quota.free_allowance)
    of_purchased = min(quota.debt - of_allowance, quota.free_purchased)
    return msgspec.structs.replace(
        quota,
        spent=quota.spent + of_allowance,
        purchased_spent=quota.purchased_spent + of_purchased,
        debt=quota.debt - of_allowance - of_purchased,
    )


def difference(before: Quota, after: Quota) -> dict[str, int]:
    """What `after` has more than `before`, per pot; pots that are equal are left out."""
    then = msgspec.structs.astuple(before)[_FIRST_POT:]
    now = msgspec.structs.astuple(after)[_FIRST_POT:]
    return {pot: new - old for pot, old, new in zip(POTS, then, now, strict=True) if new != old}


def moved(quota: Quota, move: dict[str, int]) -> Quota:
    """The quota after an event's move; raises `QuotaBrokenError` when it does not add up."""
    pots = {pot: getattr(quota, pot) + more for pot, more in move.items()}
    return check(msgspec.structs.replace(quota, **pots))
