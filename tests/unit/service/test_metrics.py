"""Metrics: declared once, labelled with the application, served with health by a thread."""

from collections.abc import Iterator

import httpx2
import pytest

from service.metric_names import (
    AUTH_LOGIN,
    CounterSpec,
    GaugeSpec,
    HistogramSpec,
    all_metrics,
)
from service.metrics import Metrics, metrics_reference
from service.metrics_server import MetricsServer, start_metrics_server

SOLD = CounterSpec("sold_total", "Pieces sold.", ("kind",))
OPEN_TILLS = GaugeSpec("open_tills", "Tills that are open.")
WAIT_SECONDS = HistogramSpec("wait_seconds", "Time in the queue.", ("till",), (0.1, 1.0))


def test_every_sample_carries_the_application_and_the_declared_labels() -> None:
    metrics = Metrics("shop")

    metrics.counter(SOLD).labels(kind="pear").inc()
    metrics.gauge(OPEN_TILLS).set(2)
    metrics.histogram(WAIT_SECONDS).labels("1").observe(0.5)

    text = metrics.render().decode()
    assert 'sold_total{application="shop",kind="pear"} 1.0' in text
    assert 'open_tills{application="shop"} 2.0' in text
    assert 'wait_seconds_bucket{application="shop",le="1.0",till="1"} 1.0' in text
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all('application="shop"' in line for line in samples)
    assert "_created" not in text


def test_asking_twice_gives_the_same_metric() -> None:
    metrics = Metrics("shop")

    assert metrics.counter(SOLD) is metrics.counter(SOLD)


def test_every_declared_metric_has_a_unique_name_in_the_right_form() -> None:
    specs = all_metrics()

    assert len({spec.name for spec in specs}) == len(specs)
    for spec in specs:
        assert spec.help.endswith("."), spec.name
        assert isinstance(spec, CounterSpec) == spec.name.endswith("_total"), spec.name
        assert not {"user", "user_id", "account", "api_key"} & set(spec.labels), spec.name


def test_the_reference_has_a_row_for_each_metric() -> None:
    row = "| `auth_login_total` | counter | application, outcome, reason |"

    assert row in metrics_reference([AUTH_LOGIN])


@pytest.fixture
def dependency() -> dict[str, str | None]:
    return {"problem": None}


@pytest.fixture
def server(dependency: dict[str, str | None]) -> Iterator[MetricsServer]:
    server = start_metrics_server(0, Metrics("shop"), {"broker": lambda: dependency["problem"]})
    yield server
    server.close()


@pytest.mark.parametrize("path", ["/metrics", "/actuator/prometheus"])
def test_the_thread_serves_metrics(server: MetricsServer, path: str) -> None:
    answer = httpx2.get(f"http://127.0.0.1:{server.port}{path}")

    assert answer.status_code == 200
    assert 'application="shop"' in answer.text


@pytest.mark.parametrize(
    "path", ["/health/ready", "/actuator/health", "/actuator/health/readiness"]
)
def test_readiness_follows_the_dependency(
    server: MetricsServer, dependency: dict[str, str | None], path: str
) -> None:
    url = f"http://127.0.0.1:{server.port}{path}"
    assert httpx2.get(url).json() == {"status": "UP"}

    dependency["problem"] = "no leader"

    answer = httpx2.get(url)
    assert answer.status_code == 503
    assert answer.json() == {"status": "DOWN", "checks": {"broker": "no leader"}}


def test_liveness_does_not_depend_on_dependencies(
    server: MetricsServer, dependency: dict[str, str | None]
) -> None:
    dependency["problem"] = "no leader"

    for path in ("/health/live", "/actuator/health/liveness"):
        assert httpx2.get(f"http://127.0.0.1:{server.port}{path}").status_code == 200
