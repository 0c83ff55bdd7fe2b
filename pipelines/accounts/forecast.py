"""When a refused command would pass, if nothing but time happened: exact, never a guess.

Time drains meters, ends windows and expires holds; all of it only helps, so each limit has one
first moment, and the command's is the last of them.
"""

from collections.abc import Iterator

from pipelines.accounts.memory import AccountMemory
from pipelines.accounts.standing import Standing
from state import quotas
from state.accounts import Hold, OpenHold
from state.limits import REQUESTS, LimitTerms, meter_at, refunded, retry_after_ms


def meter_retry_ms(
    memory: AccountMemory, stood: Standing, limit: LimitTerms, cost_milli: int
) -> int | None:
    """In how many ms this bucket or window alone lets the cost pass; None: never."""
    if cost_milli > limit.capacity_milli:
        return None
    meter = stood.meters[limit.name]
    for open_hold, hold in _holds(memory, stood):
        wait_ms = retry_after_ms(meter, limit, cost_milli)
        if wait_ms is not None and meter.updated_ms + wait_ms <= open_hold.deadline_ms:
            break
        then = hold.marks.get(limit.name)
        meter = meter_at(meter, limit, open_hold.deadline_ms)
        if then is not None:
            unused_milli = 1000 if limit.unit == REQUESTS else hold.tokens * 1000
            meter = refunded(meter, unused_milli, then)
    wait_ms = retry_after_ms(meter, limit, cost_milli)
    return None if wait_ms is None else meter.updated_ms + wait_ms - stood.now_ms


def concurrency_retry_ms(stood: Standing, limit: LimitTerms, cost_milli: int) -> int | None:
    """In how many ms enough open holds have expired; None when the cost alone is too much."""
    if cost_milli > limit.capacity_milli:
        return None
    excess = stood.holding_milli(limit) + cost_milli - limit.capacity_milli
    for open_hold in stood.open_holds:
        if excess <= 0:
            break
        excess -= limit.cost(open_hold.tokens)
        if excess <= 0:
            return open_hold.deadline_ms - stood.now_ms
    return 0


def quota_retry_ms(memory: AccountMemory, stood: Standing, tokens: int) -> int | None:
    """In how many ms the quota alone would hold `tokens`; None: never."""
    quota = stood.after_refusal
    holds = dict(_holds(memory, stood))
    moments = {open_hold.deadline_ms for open_hold in holds}
    if quota.window_end_ms is not None and quota.window_end_ms > stood.now_ms:
        moments.add(quota.window_end_ms)
    for moment_ms in sorted(moments):
        at = stood._replace(now_ms=moment_ms)
        quota = _renewed(at, quota, opening=False)
        for open_hold, hold in holds.items():
            if open_hold.deadline_ms == moment_ms:
                quota = quotas.closed(
                    quota, hold.of_allowance, hold.of_purchased, hold.window_start_ms, 0
                )
        if tokens <= _renewed(at, quota, opening=True).remaining:
            return moment_ms - stood.now_ms
    return None


def _renewed(stood: Standing, quota: quotas.Quota, *, opening: bool) -> quotas.Quota:
    terms = stood.terms
    return quotas.renewed(
        quota, terms.allowance_tokens, terms.window_length_ms, stood.now_ms, opening=opening
    )


def _holds(memory: AccountMemory, stood: Standing) -> Iterator[tuple[OpenHold, Hold]]:
    for open_hold in stood.open_holds:
        hold = memory.hold((open_hold.offset, open_hold.index))
        if hold is not None:
            yield open_hold, hold
