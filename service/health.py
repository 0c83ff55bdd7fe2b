"""What ready means: named checks of dependencies, and the answer made of their outcomes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

Check = Callable[[], str | None]
"""Returns None when the dependency answers, else a sentence that says what is wrong."""

AsyncCheck = Callable[[], Awaitable[str | None]]
"""A `Check` that waits: for processes with an event loop."""

CHECK_TIMEOUT_S = 2.0

LIVE_PATHS = ("/health/live", "/actuator/health/liveness")
READY_PATHS = ("/health/ready", "/actuator/health/readiness", "/actuator/health")
METRICS_PATHS = ("/metrics", "/actuator/prometheus")

LIVE_BODY = b'{"status":"UP"}'


def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """The checks that fail, by name, with what each said. An exception counts as a failure."""
    failures = {}
    for name, check in checks.items():
        try:
            problem = check()
        except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check
            problem = f"{type(error).__name__}: {error}"
        if problem is not None:
            failures[name] = problem
    return failures


async def run_async_checks(checks: Mapping[str, AsyncCheck]) -> dict[str, str]:
    """Like `run_checks`, all at once, each given two seconds."""
    outcomes = await asyncio.gather(*(_outcome(check) for check in checks.values()))
    return {name: problem for name, problem in zip(checks, outcomes, strict=True) if problem}


def readiness_answer(failures: Mapping[str, str]) -> tuple[int, bytes]:
    """HTTP status and JSON body: 200 and UP, or 503 and DOWN with the failing checks."""
    if not failures:
        return 200, LIVE_BODY
    return 503, json.dumps({"status": "DOWN", "checks": dict(failures)}).encode()


async def _outcome(check: AsyncCheck) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - a check that breaks is a failed check
        return f"{type(error).__name__}: {error}"
