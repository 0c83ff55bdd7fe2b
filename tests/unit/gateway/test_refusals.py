"""What a refusal, or no answer at all, is over HTTP."""

import json
from typing import Any

import pytest

from gateway.problems import GATEWAY_PROBLEMS, PROBLEM_OF_OUTCOME
from gateway.refusals import no_answer, provider_failure, refusal
from gateway.request_reply.failures import (
    NoAnswerError,
    NoReplyInTimeError,
    NotConfirmedError,
    NotSentError,
    TooManyInFlightError,
)
from schemas.outcomes import TOOK_EFFECT, Outcome
from service.http.problems import SHARED_PROBLEMS, ProblemError
from tests.unit.gateway.replies import a_reply, a_violation

STATUSES = {
    Outcome.MALFORMED: 400,
    Outcome.MISROUTED: 500,
    Outcome.UNAUTHORISED_COMMAND: 403,
    Outcome.NOT_READY: 503,
    Outcome.IDEMPOTENCY_CONFLICT: 409,
    Outcome.ACCOUNT_SUSPENDED: 403,
    Outcome.ACCOUNT_CLOSED: 403,
    Outcome.UNKNOWN_PROVIDER: 400,
    Outcome.HOLD_UNKNOWN: 404,
    Outcome.HOLD_ALREADY_SETTLED: 409,
    Outcome.HOLD_ALREADY_VOIDED: 409,
    Outcome.HOLD_EXPIRED: 410,
    Outcome.QUOTA_EXHAUSTED: 402,
    Outcome.EXCEEDS_CAPACITY: 429,
    Outcome.RATE_LIMITED: 429,
    Outcome.CONCURRENCY_LIMITED: 429,
    Outcome.DECISION_FAILED: 500,
}
NEVER_CAUSED = {Outcome.UNKNOWN_TIER, Outcome.POLICY_OUTDATED}


def body_of(problem: ProblemError) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(problem.body("/path"))
    return document


@pytest.mark.parametrize(("outcome", "status"), STATUSES.items())
def test_every_refusal_has_its_status_code_and_command_id(outcome: Outcome, status: int) -> None:
    body = body_of(refusal(a_reply(outcome)))
    assert (body["status"], body["code"], body["commandId"]) == (status, outcome.value, "c-1")


def test_every_outcome_is_an_effect_a_refusal_or_one_that_the_gateway_never_causes() -> None:
    assert set(Outcome) == TOOK_EFFECT | STATUSES.keys() | NEVER_CAUSED
    assert PROBLEM_OF_OUTCOME.keys() == STATUSES.keys()


def test_the_codes_of_the_catalogue_are_unique() -> None:
    codes = [kind.code for kind in (*SHARED_PROBLEMS, *GATEWAY_PROBLEMS)]
    assert len(codes) == len(set(codes))


def test_a_rate_limited_answer_says_how_long_to_wait_in_body_and_header() -> None:
    reply = a_reply(Outcome.RATE_LIMITED, violations=(a_violation(10_001),), retry_after_ms=10_001)
    problem = refusal(reply)
    body = body_of(problem)
    assert problem.headers["Retry-After"] == "11"
    assert problem.headers["x-ratelimit-remaining"] == "199"
    assert body["waitSeconds"] == 11
    assert body["violatedPolicies"] == ["tokens"]
    assert body["allowed"] is False
    assert (body["capacity"], body["used"], body["remaining"]) == (1000, 801, 199)
    assert body["providerResponse"] == {}
    assert body["limits"][0]["resetMs"] == 80_001
    assert body["quota"]["remainingTokens"] == 99_199
    assert body["violations"][0]["retryAfterMs"] == 10_001


def test_a_wait_below_a_second_is_a_second() -> None:
    problem = refusal(a_reply(Outcome.CONCURRENCY_LIMITED, retry_after_ms=0))
    assert problem.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("outcome", "retry_after_ms"),
    [(Outcome.EXCEEDS_CAPACITY, None), (Outcome.RATE_LIMITED, None)],
)
def test_what_no_waiting_cures_names_no_wait(outcome: Outcome, retry_after_ms: int | None) -> None:
    problem = refusal(a_reply(outcome, retry_after_ms=retry_after_ms))
    assert "Retry-After" not in problem.headers
    assert body_of(problem)["waitSeconds"] == 0


def test_an_exhausted_quota_has_the_older_clients_message_and_the_figures() -> None:
    problem = refusal(a_reply(Outcome.QUOTA_EXHAUSTED))
    assert body_of(problem)["message"] == "insufficient token quota"
    assert problem.headers["x-ratelimit-limit"] == "1000"


def test_a_system_without_a_policy_asks_to_come_back_in_a_second() -> None:
    problem = refusal(a_reply(Outcome.NOT_READY, limits=(), quota=None))
    assert problem.headers == {"Retry-After": "1"}


def test_a_failed_provider_call_shows_the_figures_of_the_reply_it_is_given() -> None:
    problem = provider_failure(a_reply(Outcome.VOIDED), "c-1", "timeout")
    body = body_of(problem)
    assert (body["status"], body["message"]) == (502, "provider call failed")
    assert (body["reason"], body["remaining"], body["providerResponse"]) == ("timeout", 199, {})
    assert problem.headers["x-ratelimit-used"] == "801"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotSentError("c-1", "no broker"), 503, "no-decision"),
        (TooManyInFlightError("c-1", "too many"), 503, "overloaded"),
        (NotConfirmedError("c-1", "not yet"), 503, "use-not-confirmed"),
        (NoReplyInTimeError("c-1", "2 s"), 504, "no-reply"),
    ],
)
def test_no_answer_names_the_command_for_a_safe_repeat(
    error: NoAnswerError, status: int, code: str
) -> None:
    body = body_of(no_answer(error))
    assert (body["status"], body["code"], body["commandId"]) == (status, code, "c-1")
