"""From a refusal of the pipeline, or from no answer at all, to a problem document."""

from typing import Any

import msgspec

from gateway.figures import (
    bucket_of,
    iso_instant,
    limit_bodies,
    quota_body,
    rate_limit_headers,
    whole_seconds,
)
from gateway.problems import (
    DECISION_FAILED,
    NO_DECISION,
    NO_REPLY,
    OVERLOADED,
    PROBLEM_OF_OUTCOME,
    PROVIDER_CALL_FAILED,
    USE_NOT_CONFIRMED,
)
from gateway.request_reply.failures import (
    NoAnswerError,
    NoReplyInTimeError,
    NotConfirmedError,
    TooManyInFlightError,
)
from schemas.http_tokens import ViolationBody
from schemas.limits import Violation
from schemas.outcomes import Outcome
from schemas.replies import Reply
from service.http.problems import ProblemError, ProblemType
from service.logging import get_logger

logger = get_logger(__name__)

_FIGURED_STATUSES = frozenset({402, 429, 502})
_SOON = {"Retry-After": "1"}


def refusal(reply: Reply) -> ProblemError:
    """The problem a refusing reply stands for, with its figures and headers.

    The title of some problems is what older clients read as `message`, so it stays their detail;
    the pipeline's own sentence is the detail where it says more.
    """
    kind = PROBLEM_OF_OUTCOME.get(reply.outcome, DECISION_FAILED)
    if kind.status >= 500 and kind.code != Outcome.NOT_READY:
        logger.error("a command could not be decided", outcome=reply.outcome, detail=reply.detail)
    members: dict[str, Any] = {"commandId": reply.command_id}
    headers: dict[str, str] = {}
    if kind.status in _FIGURED_STATUSES:
        members |= _figures(reply)
        headers |= rate_limit_headers(reply)
    if kind.status == 429:
        headers |= _waiting(reply, kind, members)
    elif kind.status == 503:
        headers |= _SOON
    detail = reply.detail if kind.status == 400 and kind.code == Outcome.MALFORMED else None
    return ProblemError(kind, detail, headers=headers, members=members)


def provider_failure(reply: Reply, command_id: str, reason: str) -> ProblemError:
    """502 with the figures of `reply`: those after the void, or, without its reply, before it."""
    members = {"commandId": command_id, "allowed": False, "reason": reason, **_figures(reply)}
    members["providerResponse"] = {}
    return ProblemError(
        PROVIDER_CALL_FAILED, headers=dict(rate_limit_headers(reply)), members=members
    )


def no_answer(error: NoAnswerError) -> ProblemError:
    """503 when it was not decided (or not recorded yet), 504 when that is not known."""
    members = {"commandId": error.command_id}
    if isinstance(error, NoReplyInTimeError):
        return ProblemError(NO_REPLY, str(error), members=members)
    kind = NO_DECISION
    if isinstance(error, TooManyInFlightError):
        kind = OVERLOADED
    elif isinstance(error, NotConfirmedError):
        kind = USE_NOT_CONFIRMED
    return ProblemError(kind, str(error), headers=_SOON, members=members)


def _figures(reply: Reply) -> dict[str, Any]:
    bucket = bucket_of(reply.limits)
    return {
        "capacity": bucket.limit if bucket else 0,
        "used": bucket.used if bucket else 0,
        "remaining": bucket.remaining if bucket else 0,
        "timestamp": iso_instant(reply.at_ms),
        "limits": msgspec.to_builtins(limit_bodies(reply.limits)),
        "quota": msgspec.to_builtins(quota_body(reply.quota)),
    }


def _waiting(reply: Reply, kind: ProblemType, members: dict[str, Any]) -> dict[str, str]:
    """Fills in how long to wait; returns the Retry-After header, if any waiting cures it."""
    members |= {
        "allowed": False,
        "waitSeconds": 0,
        "providerResponse": {},
        "violatedPolicies": [violation.name for violation in reply.violations],
        "violations": [
            msgspec.to_builtins(_violation_body(violation)) for violation in reply.violations
        ],
    }
    if reply.retry_after_ms is None or kind.code == Outcome.EXCEEDS_CAPACITY:
        return {}
    seconds = max(1, whole_seconds(reply.retry_after_ms))
    members["waitSeconds"] = seconds
    return {"Retry-After": str(seconds)}


def _violation_body(violation: Violation) -> ViolationBody:
    return ViolationBody(
        name=violation.name,
        unit=violation.unit,
        limit=violation.limit,
        requested=violation.requested,
        remaining=violation.remaining,
        retry_after_ms=violation.retry_after_ms,
    )
