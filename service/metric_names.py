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


def all_metrics() -> tuple[MetricSpec, ...]:
    """Every metric declared in this module, in the order of declaration."""
    return tuple(value for value in globals().values() if isinstance(value, MetricSpec))
