"""Every metric of the system, declared once: name, meaning, labels, buckets.

A metric carries all its labels in every sample; `application` is added to each by the registry
(`service.metrics`). Labels never hold users, accounts, keys or anything else that grows without
bound. Names ending in `_total` count requests or records unless the name says tokens.
"""

from dataclasses import dataclass

LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """Name, help sentence and label names of a metric."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterSpec(MetricSpec):
    """Something that only grows; its name ends in `_total`."""


@dataclass(frozen=True, slots=True)
class GaugeSpec(MetricSpec):
    """A level that goes up and down. Several workers of one process are summed."""


@dataclass(frozen=True, slots=True)
class HistogramSpec(MetricSpec):
    """A distribution; `buckets` are upper bounds in the unit the name ends in."""

    buckets: tuple[float, ...] = LATENCY_BUCKETS_S


# Every HTTP service
HTTP_REQUEST_SECONDS = HistogramSpec(
    "http_request_seconds",
    "Time from a request's arrival to its last byte, by route template.",
    ("method", "route", "status"),
)

# Auth server
AUTH_REGISTER = CounterSpec("auth_register_total", "Registrations.", ("outcome", "reason"))
AUTH_LOGIN = CounterSpec("auth_login_total", "Log-ins.", ("outcome", "reason"))

# Gateway
TOKEN_CONSUME = CounterSpec(
    "token_consume_total", "Consume requests, by how they ended.", ("provider", "outcome")
)
TOKEN_QUOTA_LOOKUP = CounterSpec(
    "token_quota_lookup_total", "Quota requests, by how they ended.", ("provider", "outcome")
)
TOKEN_RESERVATION = CounterSpec(
    "token_reservation_total",
    "Reservation requests (reserve, settle, release), by how they ended.",
    ("action", "outcome"),
)
TOKENS_CONSUMED = CounterSpec(
    "tokens_consumed_total", "Tokens charged by consume requests.", ("provider",)
)
GATEWAY_COMMANDS_IN_FLIGHT = GaugeSpec(
    "gateway_commands_in_flight", "Commands whose reply is waited for."
)
GATEWAY_REPLIES_LATE = CounterSpec(
    "gateway_replies_late_total", "Replies that came after their deadline."
)

# Calls of AI providers
PROVIDER_CALL_SECONDS = HistogramSpec(
    "provider_call_seconds",
    "Time of a provider call with its retries, by how it ended.",
    ("provider", "outcome"),
)
PROVIDER_RETRIES = CounterSpec(
    "provider_retries_total", "Attempts beyond the first of a provider call.", ("provider",)
)
PROVIDER_CIRCUIT_OPEN = GaugeSpec(
    "provider_circuit_open", "1 while the provider's circuit breaker refuses calls.", ("provider",)
)

# Every stream processor
PIPELINE_DECISION_SECONDS = HistogramSpec(
    "pipeline_decision_seconds",
    "Time to apply one record: state, decision and handing over its outputs.",
    buckets=(
        0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0,
    ),
)  # fmt: skip
PIPELINE_CHECKPOINT_SECONDS = HistogramSpec(
    "pipeline_checkpoint_seconds",
    "Time of one checkpoint's commit, during which nothing is decided.",
)
PIPELINE_RESTORE_SECONDS = HistogramSpec(
    "pipeline_restore_seconds",
    "Time from an assignment of partitions until their state is restored and checked.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)
PIPELINE_SKIPPED = CounterSpec(
    "pipeline_records_skipped_total", "Records that the state had applied before."
)
PIPELINE_UNDELIVERABLE = CounterSpec(
    "pipeline_undeliverable_total", "Replies whose address names no partition."
)
PIPELINE_LAG = GaugeSpec(
    "pipeline_lag_records", "Records between the log's end and what was applied.", ("partition",)
)

# Accounts pipeline
ACCOUNTS_DECISIONS = CounterSpec(
    "accounts_decisions_total",
    "Commands answered, by what they asked and what came of it.",
    ("command", "outcome", "replayed"),
)
ACCOUNTS_DEAD_LETTERS = CounterSpec(
    "accounts_dead_letters_total", "Records and commands that were dead-lettered.", ("reason",)
)


def all_metrics() -> tuple[MetricSpec, ...]:
    """Every metric declared in this module, in the order of declaration."""
    return tuple(value for value in globals().values() if isinstance(value, MetricSpec))
