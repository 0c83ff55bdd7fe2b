"""A quota's pots as events name them (camelCase, like every name on a wire) and as state does."""

from pydantic.alias_generators import to_camel

from schemas.quotas import QuotaMove, QuotaPot
from state import quotas
from state.quotas import Quota

_STATE_NAMES: dict[QuotaPot, str] = {to_camel(pot): pot for pot in quotas.POTS}  # type: ignore[misc] # the same twelve, which a test compares
_EVENT_NAMES = {pot: name for name, pot in _STATE_NAMES.items()}


def quota_move(before: Quota, after: Quota) -> QuotaMove:
    """What an event says of the way from `before` to `after`."""
    return {_EVENT_NAMES[pot]: more for pot, more in quotas.difference(before, after).items()}


def moved(quota: Quota, move: QuotaMove) -> Quota:
    """The quota after an event's move; raises `QuotaBrokenError` when it does not add up."""
    return quotas.moved(quota, {_STATE_NAMES[name]: more for name, more in move.items()})
