"""The table, the JSON file, and the ratios that a run must keep."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Result


@dataclass(frozen=True, slots=True)
class Requirement:
    """A figure that a run must keep; `at_least` False: at most."""

    name: str
    value: float
    bound: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "met" if self.met else "MISSED"
        return f"{verdict}: {self.name} is {self.value:.2f}, required {sign} {self.bound:g}"


def requirements(
    results: Sequence[Result], memory_mb: Mapping[str, float], gateway_growth_mb: float
) -> Iterator[Requirement]:
    """What is required of these results, ratios within the run before absolute memory."""
    by_name = {(each.name, each.load): each for each in results}
    fastest = "closed-128"
    yield Requirement(
        "pipeline / echo throughput, 128 in flight",
        by_name["pipeline", fastest].throughput_per_s / by_name["echo", fastest].throughput_per_s,
        0.25,
        at_least=True,
    )
    yield Requirement(
        "pipeline / echo p50 at 500/s",
        by_name["pipeline", "open-500"].p50_ms / by_name["echo", "open-500"].p50_ms,
        2.5,
        at_least=False,
    )
    yield Requirement(
        "gateway / gateway-echo throughput, 128 in flight",
        by_name["gateway", fastest].throughput_per_s
        / by_name["gateway-echo", fastest].throughput_per_s,
        0.5,
        at_least=True,
    )
    yield Requirement(
        "accounts process with 100,000 accounts, MB", memory_mb["accounts"], 350, at_least=False
    )
    yield Requirement(
        "gateway worker after 100,000 requests, MB", memory_mb["gateway"], 150, at_least=False
    )
    yield Requirement(
        "gateway worker's growth over its second 50,000 requests, MB",
        gateway_growth_mb,
        15,
        at_least=False,
    )


def print_table(
    console: Console, results: Sequence[Result], memory_mb: Mapping[str, float]
) -> None:
    """Every result in a row, then the peak memory of each process."""
    table = Table("case", "load")
    for heading in ("answers/s", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    for each in results:
        table.add_row(
            each.name,
            each.load,
            f"{each.throughput_per_s:,.0f}",
            f"{each.p50_ms:.2f}",
            f"{each.p95_ms:.2f}",
            f"{each.p99_ms:.2f}",
        )
    console.print(table)
    peaks = ", ".join(f"{name} {peak:.0f} MB" for name, peak in memory_mb.items())
    console.print(f"peak memory: {peaks}")


def write_json(file: Path, results: Sequence[Result], memory_mb: Mapping[str, float]) -> None:
    """`{"cases": [...], "memory_mb": {...}}`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    document = {"cases": [asdict(each) for each in results], "memory_mb": memory_mb}
    file.write_text(json.dumps(document, indent=2) + "\n")
