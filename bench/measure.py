"""What one run of one case gives: throughput and latency percentiles."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Load:
    """How a case is driven.

    Closed loop: `in_flight` requests at any time. Open loop: `rate_per_s` requests a second,
    whatever the answers do; latency then counts from the moment a request was due.
    """

    in_flight: int | None = None
    rate_per_s: int | None = None

    @property
    def name(self) -> str:
        return f"closed-{self.in_flight}" if self.in_flight else f"open-{self.rate_per_s}"


LOADS: Sequence[Load] = (
    *(Load(in_flight=count) for count in (1, 16, 64, 128)),
    *(Load(rate_per_s=rate) for rate in (500, 2000)),
)

WARM_UP_S = 1.0
MEASURED_S = 3.0


@dataclass(slots=True)
class Stopwatch:
    """Gathers latencies between the end of the warm-up and the end of the run."""

    began_s: float = field(default_factory=time.perf_counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def ends_s(self) -> float:
        return self.began_s + WARM_UP_S + MEASURED_S

    def answered(self, due_s: float, now_s: float) -> None:
        """Take note of an answer to the request that was due at `due_s`."""
        if self.began_s + WARM_UP_S <= now_s < self.ends_s:
            self.latencies_s.append(now_s - due_s)


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table."""

    name: str
    load: str
    throughput_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def result(case: str, load: Load, latencies_s: list[float]) -> Result:
    """The row of a run; raises when nothing was answered."""
    if not latencies_s:
        raise RuntimeError(f"{case} answered nothing at {load.name}")
    ordered = sorted(latencies_s)

    def percentile_ms(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)

    return Result(
        case,
        load.name,
        round(len(ordered) / MEASURED_S, 1),
        percentile_ms(0.50),
        percentile_ms(0.95),
        percentile_ms(0.99),
    )


class Driver(Protocol):
    """Puts one case under a load."""

    def run(self, load: Load) -> list[float]:
        """The latencies, in seconds, of the answers in the measured time."""
        ...

    def close(self) -> None:
        """Let go of connections, before what they lead to is stopped."""
        ...
