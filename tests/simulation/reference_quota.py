"""The reference's quota: the pots of one account and provider, in whole tokens.

Written from docs/rules.md alone. Every method that changes the pots ends by checking the
invariant, so that a wrong move shows where it was made.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class AllowanceTerms:
    """What the tier grants in a window, and how long one lasts."""

    tokens: int
    window_ms: int


@dataclass(frozen=True)
class HeldParts:
    """What one hold keeps, by pot; `window_start_ms` names the window of its allowance part."""

    allowance: int
    purchased: int
    window_start_ms: int


@dataclass
class Quota:
    """Pots and sums of one quota. No window is open while `window_start_ms` is None."""

    window_start_ms: int | None = None
    window_end_ms: int = 0
    allowance: int = 0
    spent: int = 0
    held: int = 0
    held_past: int = 0
    purchased: int = 0
    revoked: int = 0
    purchased_spent: int = 0
    purchased_held: int = 0
    debt: int = 0
    granted: int = 0
    lapsed: int = 0
    charged: int = 0

    @property
    def free_allowance(self) -> int:
        return self.allowance - self.spent - self.held

    @property
    def free_purchased(self) -> int:
        return self.purchased - self.revoked - self.purchased_spent - self.purchased_held

    @property
    def remaining(self) -> int:
        return self.free_allowance + self.free_purchased

    @property
    def total(self) -> int:
        return self.allowance + self.purchased - self.revoked

    @property
    def all_held(self) -> int:
        return self.held + self.held_past + self.purchased_held

    def notice_time(self, now_ms: int, terms: AllowanceTerms) -> None:
        """End a window that is over; let an open one follow the terms. Before every change."""
        if self.window_start_ms is None:
            return
        if now_ms >= self.window_end_ms:
            self.lapsed += self.free_allowance
            self.held_past += self.held
            self.window_start_ms = None
            self.allowance = self.spent = self.held = 0
        elif self.allowance != terms.tokens:
            followed = max(terms.tokens, self.spent + self.held)
            self.granted += max(0, followed - self.allowance)
            self.lapsed += max(0, self.allowance - followed)
            self.allowance = followed
        self._pay_debt()

    def notice_grant(self, now_ms: int, terms: AllowanceTerms) -> None:
        """What a grant does first: notice the time, and open a window if none is open."""
        self.notice_time(now_ms, terms)
        if self.window_start_ms is None:
            self.window_start_ms = now_ms
            self.window_end_ms = now_ms + terms.window_ms
            self.allowance = terms.tokens
            self.granted += terms.tokens
            self._pay_debt()

    def charge(self, tokens: int) -> None:
        """Charge free allowance, then free purchased tokens, then make debt of the rest."""
        from_allowance = min(tokens, self.free_allowance)
        from_purchased = min(tokens - from_allowance, self.free_purchased)
        self.spent += from_allowance
        self.purchased_spent += from_purchased
        self.debt += tokens - from_allowance - from_purchased
        self.charged += tokens
        self._check()

    def hold(self, tokens: int) -> HeldParts:
        """Hold what was admitted: from the allowance first, then from the purchased balance."""
        from_allowance = min(tokens, self.free_allowance)
        self.held += from_allowance
        self.purchased_held += tokens - from_allowance
        self._check()
        assert self.window_start_ms is not None
        return HeldParts(from_allowance, tokens - from_allowance, self.window_start_ms)

    def close_hold(self, parts: HeldParts, used: int) -> None:
        """Charge `used` to the hold's allowance part, then its purchased part; give back the rest.

        `notice_time` must have been called: it is what makes an allowance part one of the past.
        """
        used_allowance = min(used, parts.allowance)
        used_purchased = used - used_allowance
        self.charged += used
        self.purchased_held -= parts.purchased
        self.purchased_spent += used_purchased
        if parts.window_start_ms == self.window_start_ms:
            self.held -= parts.allowance
            self.spent += used_allowance
        else:
            self.held_past -= parts.allowance
            self.lapsed += parts.allowance - used_allowance
        self._pay_debt()

    def allocate(self, tokens: int) -> None:
        self.purchased += tokens
        self._pay_debt()

    def revoke(self, tokens: int) -> int:
        """Take back at most `tokens`; how many were taken."""
        taken = min(tokens, self.free_purchased)
        self.revoked += taken
        self._check()
        return taken

    def _pay_debt(self) -> None:
        from_allowance = min(self.debt, self.free_allowance)
        self.spent += from_allowance
        self.debt -= from_allowance
        from_purchased = min(self.debt, self.free_purchased)
        self.purchased_spent += from_purchased
        self.debt -= from_purchased
        self._check()

    def _check(self) -> None:
        assert min(vars(self)[pot] or 0 for pot in vars(self)) >= 0, self
        assert self.free_allowance >= 0, self
        assert self.free_purchased >= 0, self
        assert self.debt == 0 or self.remaining == 0, self
        came = self.granted + self.purchased - self.revoked - self.lapsed
        went = self.charged + self.all_held + self.remaining - self.debt
        assert came == went, self
