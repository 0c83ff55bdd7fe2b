"""Passwords: argon2id, verified as slowly for nobody as for somebody, never without bound."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from auth.passwords import Passwords
from service.http.problems import ProblemError


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(threads=2, queue=4)
    yield passwords
    passwords.close()


def test_a_password_verifies_against_its_own_hash_only(passwords: Passwords) -> None:
    async def scenario() -> tuple[str, bool, bool, bool]:
        stored = await passwords.hash("sesame open")
        return (
            stored,
            await passwords.verify(stored, "sesame open"),
            await passwords.verify(stored, "sesame Open"),
            await passwords.verify(None, "sesame open"),
        )

    stored, right, wrong, nobody = asyncio.run(scenario())

    assert stored.startswith("$argon2id$")
    assert "sesame" not in stored
    assert (right, wrong, nobody) == (True, False, False)


def test_nobodys_password_takes_about_as_long_as_a_wrong_one(passwords: Passwords) -> None:
    async def fastest(stored: str | None) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            await passwords.verify(stored, "wrong")
            times.append(time.perf_counter() - started)
        return min(times)

    async def scenario() -> tuple[float, float]:
        stored = await passwords.hash("sesame open")
        return await fastest(stored), await fastest(None)

    somebody, nobody = asyncio.run(scenario())

    assert 0.5 < nobody / somebody < 2


def test_the_event_loop_goes_on_while_passwords_are_hashed(passwords: Passwords) -> None:
    async def scenario() -> int:
        hashing = asyncio.ensure_future(passwords.hash("sesame open"))
        turns = 0
        while not hashing.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(scenario()) > 10


def test_more_than_the_queue_holds_is_refused_at_once(passwords: Passwords) -> None:
    async def scenario() -> list[object]:
        return list(
            await asyncio.gather(
                *(passwords.verify(None, "x") for _ in range(10)), return_exceptions=True
            )
        )

    outcomes = asyncio.run(scenario())

    assert outcomes.count(False) == 6
    refused = [outcome for outcome in outcomes if isinstance(outcome, ProblemError)]
    assert [problem.kind.status for problem in refused] == [503] * 4
