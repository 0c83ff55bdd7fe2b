"""How slowly, with which error and how many tokens a stub answers: settings, headers, a seed."""

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from providers.stubs.settings import StubSettings
from service.http.problems import INVALID_REQUEST, ProblemError

MAX_LATENCY_MS = 120_000
_CHARACTERS_PER_TOKEN = 4
_WORDS = ("tokens", "flow", "through", "a", "bucket", "that", "leaks", "at", "steady", "rate", "so")
_LONGEST_ANSWER_WORDS = 60


@dataclass(frozen=True, slots=True)
class Completion:
    """What a stub says, in no provider's shape yet."""

    text: str
    input_tokens: int
    output_tokens: int
    request_number: int

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class StubError(Exception):
    """The error that the settings or headers ask for; `status` is its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the stub answers with {status} as it was told to")
        self.status = status


class Behaviour:
    """Draws the answers of one stub.

    Without a seed in the request the draws follow each other: the same requests in the same order
    after a start get the same answers. With one, order does not matter.
    """

    def __init__(self, settings: StubSettings) -> None:
        self._settings = settings
        self._sequence = random.Random(settings.stub_seed)  # noqa: S311 - repeatable on purpose
        self._request_number = 0

    async def answer(
        self, headers: Mapping[str, str], prompt: str, max_tokens: int | None
    ) -> Completion:
        """Wait, then complete. Raises `StubError`, or `ProblemError` (400) for a bad header."""
        settings = self._settings
        latency_ms = _number(headers, "x-stub-latency-ms", settings.stub_latency_ms, MAX_LATENCY_MS)
        error_rate = _number(headers, "x-stub-error-rate", settings.stub_error_rate, 1)
        error_status = _number(headers, "x-stub-error-status", settings.stub_error_status, 599)
        usage = _number(headers, "x-stub-usage-tokens", settings.stub_usage_tokens, 10**12)
        draws = self._draws(headers.get("x-stub-seed"), prompt, max_tokens)
        fails = draws.random() < (error_rate or 0)
        text = " ".join(draws.choices(_WORDS, k=draws.randint(5, _LONGEST_ANSWER_WORDS)))
        self._request_number += 1
        number = self._request_number
        if latency_ms:
            await asyncio.sleep(latency_ms / 1000)
        if fails:
            raise StubError(int(error_status or settings.stub_error_status))
        input_tokens, output_tokens = _tokens(prompt, text, max_tokens)
        if usage is not None:
            input_tokens = min(input_tokens, int(usage))
            output_tokens = int(usage) - input_tokens
        return Completion(text, input_tokens, output_tokens, number)

    def _draws(self, seed: str | None, prompt: str, max_tokens: int | None) -> random.Random:
        if seed is None:
            return random.Random(self._sequence.getrandbits(64))  # noqa: S311 - repeatable
        return random.Random(f"{seed}|{max_tokens}|{prompt}")  # noqa: S311 - repeatable


def _tokens(prompt: str, text: str, max_tokens: int | None) -> tuple[int, int]:
    input_tokens = math.ceil(len(prompt) / _CHARACTERS_PER_TOKEN)
    output_tokens = math.ceil(len(text) / _CHARACTERS_PER_TOKEN)
    if max_tokens is not None:
        output_tokens = min(output_tokens, max_tokens)
    return input_tokens, output_tokens


def _number(
    headers: Mapping[str, str], name: str, default: float | None, highest: float
) -> float | None:
    text = headers.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= highest:
        raise ProblemError(INVALID_REQUEST, f"{name} must be a number from 0 to {highest}")
    return value
