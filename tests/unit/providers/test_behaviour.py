"""What a stub answers follows from its seed, its settings and the request's headers."""

import asyncio
from collections.abc import Mapping

import pytest

from providers.stubs.behaviour import Behaviour, Completion, StubError
from providers.stubs.settings import StubSettings
from service.http.problems import ProblemError


def outcomes(
    behaviour: Behaviour, calls: int, headers: Mapping[str, str] | None = None
) -> list[str]:
    """Texts and error statuses of that many calls, one after the other."""

    async def scenario() -> list[str]:
        seen = []
        for _ in range(calls):
            try:
                seen.append((await behaviour.answer(headers or {}, "hello", None)).text)
            except StubError as error:
                seen.append(str(error.status))
        return seen

    return asyncio.run(scenario())


def answer(headers: Mapping[str, str], prompt: str = "hello", **settings: int) -> Completion:
    """One answer of a stub with those settings."""
    behaviour = Behaviour(StubSettings.model_validate(settings))
    return asyncio.run(behaviour.answer(headers, prompt, None))


def test_the_same_seed_gives_the_same_sequence_of_answers_and_errors() -> None:
    settings = StubSettings(stub_seed=7, stub_error_rate=0.4)

    first, second = outcomes(Behaviour(settings), 40), outcomes(Behaviour(settings), 40)

    assert first == second
    assert 5 < first.count("503") < 30
    assert outcomes(Behaviour(StubSettings(stub_seed=8, stub_error_rate=0.4)), 40) != first


def test_a_seed_in_the_request_makes_the_answer_a_function_of_the_request() -> None:
    behaviour = Behaviour(StubSettings())

    seeded = outcomes(behaviour, 3, {"x-stub-seed": "abc"})

    assert len(set(seeded)) == 1
    assert len(set(outcomes(behaviour, 3))) > 1
    assert outcomes(Behaviour(StubSettings(stub_seed=99)), 1, {"x-stub-seed": "abc"}) == seeded[:1]


@pytest.mark.parametrize(("rate", "failures"), [("0", 0), ("1", 20), ("1.0", 20)])
def test_the_error_rate_of_the_header_counts(rate: str, failures: int) -> None:
    headers = {"x-stub-error-rate": rate, "x-stub-error-status": "429"}

    assert outcomes(Behaviour(StubSettings()), 20, headers).count("429") == failures


def test_reported_usage_is_the_settings_or_the_headers() -> None:
    assert answer({}, stub_usage_tokens=800).total_tokens == 800
    assert answer({"x-stub-usage-tokens": "5"}, stub_usage_tokens=800).total_tokens == 5
    assert answer({"x-stub-usage-tokens": "0"}).total_tokens == 0


def test_unset_usage_grows_with_the_prompt() -> None:
    headers = {"x-stub-seed": "1"}

    assert answer(headers, "x" * 4_000).input_tokens == 1_000
    assert answer(headers, "").input_tokens == 0


@pytest.mark.parametrize(
    "headers",
    [{"x-stub-latency-ms": "soon"}, {"x-stub-error-rate": "2"}, {"x-stub-usage-tokens": "-1"}],
)
def test_a_header_that_is_not_a_number_in_range_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ProblemError, match="must be a number from 0 to"):
        answer(headers)
