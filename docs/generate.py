"""`python -m docs.generate`: writes settings.md, errors.md and metrics.md from the code.

The declarations are the source: settings models, catalogues of problems, the enumerations of
outcomes and reasons with the sentence below each member, the list of metrics. A test holds the
pages to them.
"""

import ast
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from pydantic_settings import BaseSettings

from auth.problems import AUTH_PROBLEMS
from auth.settings import AuthSettings
from devstack.settings import DevstackSettings
from gateway.problems import GATEWAY_PROBLEMS, PROBLEM_OF_OUTCOME
from gateway.settings import GatewaySettings
from leaky.applications import ApplicationPorts
from leaky.settings import CommandLineSettings
from pipelines.runtime.settings import RuntimeSettings
from providers.stubs.settings import StubSettings
from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import TOOK_EFFECT, Outcome
from service.http.problems import SHARED_PROBLEMS, problems_reference
from service.metric_names import CounterSpec, GaugeSpec, HistogramSpec, MetricSpec, all_metrics
from service.settings import settings_table
from topics.settings import TopicsSettings

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class DocumentedProcess:
    """A command, the sentence that says what it is, and the settings that it reads."""

    title: str
    command: str
    about: str
    settings: Sequence[type[BaseSettings]]


PROCESSES: Sequence[DocumentedProcess] = (
    DocumentedProcess(
        "The whole system",
        "python -m leaky run",
        "It reads these itself, and hands every other variable on to the processes below. A port "
        "that is taken is replaced by a free one, 0 takes any. `python -m devstack` reads those of "
        "the servers, too.",
        (DevstackSettings, ApplicationPorts),
    ),
    DocumentedProcess(
        "The gateway",
        "python -m gateway",
        "It calls the AI providers, so that their settings are its own.",
        (GatewaySettings,),
    ),
    DocumentedProcess(
        "The auth server",
        "python -m auth",
        "`python -m auth migrate` and `python -m auth create-admin` read the same.",
        (AuthSettings,),
    ),
    DocumentedProcess(
        "The accounts pipeline",
        "python -m pipelines.accounts",
        "Nothing here changes a decision: what does is in the policy, and travels in the log.",
        (RuntimeSettings,),
    ),
    DocumentedProcess(
        "The provider stubs",
        "python -m providers --name qwen|gemini|openai",
        "A request's own headers come before these settings.",
        (StubSettings,),
    ),
    DocumentedProcess(
        "The topics",
        "python -m topics",
        "`python -m pipelines.runtime` reads the same.",
        (TopicsSettings,),
    ),
    DocumentedProcess(
        "The command line",
        "leaky",
        "What the environment leaves out is taken from the system that `leaky run` has started "
        "with this data folder.",
        (CommandLineSettings,),
    ),
)

_GENERATED = "<!-- Written by `python -m docs.generate` from the code: change it there. -->"


def settings_page() -> str:
    """Every variable, process by process."""
    sections = [
        f"## {process.title}: `{process.command}`\n{process.about}\n\n"
        + settings_table(*process.settings)
        for process in PROCESSES
    ]
    return "\n".join([_SETTINGS_INTRODUCTION, *sections])


def errors_page() -> str:
    """Every problem code, every outcome of a command, every reason of a dead letter."""
    return "\n".join(
        [
            _ERRORS_INTRODUCTION,
            "## Every service\n" + problems_reference(SHARED_PROBLEMS),
            "## The gateway\n" + problems_reference(GATEWAY_PROBLEMS),
            "## The auth server\n" + problems_reference(AUTH_PROBLEMS),
            _OUTCOMES_INTRODUCTION,
            _outcomes_table(),
            _DEAD_LETTERS_INTRODUCTION,
            _reasons_table(),
        ]
    )


def metrics_page() -> str:
    """Every metric, in the order of declaration."""
    rows = ["| Metric | Sort | Labels | Meaning |", "|---|---|---|---|"]
    for metric in all_metrics():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {_sort(metric)} | {labels} | {metric.help} |")
    histograms = [metric for metric in all_metrics() if isinstance(metric, HistogramSpec)]
    buckets = ["| Histogram | Upper bounds of its buckets, s |", "|---|---|"]
    for histogram in histograms:
        bounds = ", ".join(f"{bound:f}".rstrip("0").rstrip(".") for bound in histogram.buckets)
        buckets.append(f"| `{histogram.name}` | {bounds} |")
    return "\n".join([_METRICS_INTRODUCTION, *rows, "", *buckets, ""])


PAGES = {"settings.md": settings_page, "errors.md": errors_page, "metrics.md": metrics_page}
"""The generated pages, by file."""


def sentences_of(kind: type[StrEnum]) -> Mapping[str, str]:
    """The docstring below each member of an enumeration, by the member's name."""
    declared = ast.parse(inspect.getsource(kind)).body[0]
    members = declared.body if isinstance(declared, ast.ClassDef) else []
    return {
        target.id: inspect.cleandoc(text.value.value).replace("\n", " ")
        for member, text in pairwise(members)
        if isinstance(member, ast.Assign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
        for target in member.targets
        if isinstance(target, ast.Name)
    }


def _outcomes_table() -> str:
    meanings = sentences_of(Outcome)
    rows = ["| Outcome | Takes effect | Over HTTP | Meaning |", "|---|---|---|---|"]
    for outcome in Outcome:
        took_effect = "yes" if outcome in TOOK_EFFECT else "no"
        rows.append(
            f"| `{outcome}` | {took_effect} | {_http_status(outcome)} | {meanings[outcome.name]} |"
        )
    return "\n".join([*rows, ""])


def _http_status(outcome: Outcome) -> str:
    if outcome in PROBLEM_OF_OUTCOME:
        return str(PROBLEM_OF_OUTCOME[outcome].status)
    administers = outcome is Outcome.APPLIED  # which no route of the gateway does
    return "2xx" if outcome in TOOK_EFFECT and not administers else "never"


def _reasons_table() -> str:
    meanings = sentences_of(DeadLetterReason)
    rows = ["| Reason | Meaning |", "|---|---|"]
    rows += [f"| `{reason}` | {meanings[reason.name]} |" for reason in DeadLetterReason]
    return "\n".join([*rows, ""])


def _sort(metric: MetricSpec) -> str:
    sorts = {CounterSpec: "counter", GaugeSpec: "gauge", HistogramSpec: "histogram"}
    return sorts[type(metric)]


_SETTINGS_INTRODUCTION = f"""# Settings
{_GENERATED}

Every setting is an environment variable, read once when a process starts; an empty one counts as
not set. A process that finds one unusable names it, says what was expected, and ends with code 78.
A secret is never shown or logged.

Processes that work together must agree on `LEAKY_KAFKA_BOOTSTRAP_SERVERS`, on
`LEAKY_TOPICS_PREFIX` and on the layout of the topics (`LEAKY_TOPICS_…`). `leaky run` sees to
that, and leaves what it chose in `run.env` in the data folder while the system runs.
"""

_ERRORS_INTRODUCTION = f"""# Error codes
{_GENERATED}

A failed request is answered with a problem document (RFC 9457, `application/problem+json`):
`type`, `title`, `status`, `detail`, `code`, `instance`, and for older clients `message` (the same
as `detail`) and `timestamp`. `code` is stable: programs should look at it and at nothing else. The
refusals of the token routes also carry `commandId`, which `leaky explain` takes.
"""

_OUTCOMES_INTRODUCTION = """## Outcomes of commands
What a command on the log is answered with. When several apply, the first in this order is the
answer; [the rules](rules.md) say when each applies. Every client of the gateway meets them as the
problems above, with the same code; `never`: no route of the gateway causes it.
"""

_DEAD_LETTERS_INTRODUCTION = """## Reasons of dead letters
Why a record, or one command of it, stands in the topic `dead-letters` and was not decided. Its
sender gets a reply if it asked for one and its reply address could be read: with the outcome of
the same name, else `malformed`.
"""

_METRICS_INTRODUCTION = f"""# Metrics
{_GENERATED}

Every process answers `/metrics` (and `/actuator/prometheus`) in Prometheus' text format. Each
sample also has the label `application`, the name of the process's sort; no label holds a user, an
account or a key. Counters count requests or records unless their name says tokens. Those of the
Python process itself (`process_…`, `python_info`) are there too, but not with several workers.
[Operations](operations.md) says what to watch.
"""


def main() -> None:
    """Write every page and say which."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")


if __name__ == "__main__":
    main()
