"""The HTTP frame, seen from outside a real process: ids, headers, problems, health, docs, stop."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.service_process import ServiceProcess, free_port, running

MODULE = "tests.unit.service.demonstration"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    port = free_port()
    log = tmp_path_factory.mktemp("demonstration") / "log"
    with running(["-m", MODULE, str(port), "1"], port, log) as process:
        yield process


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=service.url) as client:
        yield client


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Assert the shape every failure has, and give the document."""
    document: dict[str, Any] = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["code"] == code
    assert document["type"].endswith(code)
    assert document["message"] == document["detail"]
    assert document["timestamp"].endswith("Z")
    assert datetime.fromisoformat(document["timestamp"]).tzinfo is not None
    return document


@pytest.mark.parametrize("path", ["/health/live", "/no-such-path", "/broken", "/docs/deeper"])
def test_every_answer_has_the_security_headers_and_a_correlation_id(
    client: httpx2.Client, path: str
) -> None:
    headers = client.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"] == "geolocation=(), microphone=(), camera=()"
    assert "strict-transport-security" not in headers
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-correlation-id"])


def test_an_offered_correlation_id_is_echoed_and_a_blank_one_replaced(
    client: httpx2.Client,
) -> None:
    echoed = client.get("/health/live", headers={"X-Correlation-Id": "order 7"})
    replaced = client.get("/health/live", headers={"X-Correlation-Id": ""})
    too_long = client.get("/health/live", headers={"X-Correlation-Id": "x" * 129})

    assert echoed.headers["x-correlation-id"] == "order 7"
    assert len(replaced.headers["x-correlation-id"]) == 36
    assert len(too_long.headers["x-correlation-id"]) == 36


def test_a_trace_is_continued_with_a_span_of_our_own(client: httpx2.Client) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    continued = client.get("/health/live", headers={"traceparent": f"00-{trace}-{span}-01"})
    fresh = client.get("/health/live", headers={"traceparent": "00-zz-1-1"})

    assert continued.headers["traceparent"].split("-")[1] == trace
    assert continued.headers["traceparent"].split("-")[2] != span
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", fresh.headers["traceparent"])


def test_unknown_paths_and_wrong_methods_are_problems(client: httpx2.Client) -> None:
    missing = problem(client.get("/no-such-path"), 404, "not-found")
    assert missing["instance"] == "/no-such-path"
    problem(client.get("/"), 404, "not-found")

    wrong = client.delete("/echo")
    problem(wrong, 405, "method-not-allowed")
    assert "POST" in wrong.headers["allow"]


def test_bad_bodies_are_problems_that_say_what_is_wrong(client: httpx2.Client) -> None:
    json_type = {"Content-Type": "application/json"}

    problem(client.post("/echo", content=b"{bad", headers=json_type), 400, "malformed-json")
    missing_field = problem(client.post("/echo", json={}), 400, "invalid-request")
    no_body = problem(client.post("/echo"), 400, "invalid-request")
    a_list = problem(client.post("/echo", json=[1]), 400, "invalid-request")

    assert missing_field["detail"] == "firstName: Field required"
    assert no_body["detail"] == "a JSON body is required"
    assert a_list["detail"] == "the body must be a JSON object"


def test_a_body_over_one_mebibyte_is_refused_with_and_without_its_length(
    client: httpx2.Client,
) -> None:
    body = b" " * (1024 * 1024 + 1)

    def pieces() -> Iterator[bytes]:
        yield body[:700_000]
        yield body[700_000:]

    problem(client.post("/echo", content=body), 413, "body-too-large")
    problem(client.post("/echo", content=pieces()), 413, "body-too-large")


def test_unknown_fields_are_ignored_and_nulls_written(client: httpx2.Client) -> None:
    answer = client.post("/echo", json={"firstName": "Ada", "unknown": 1})

    assert answer.status_code == 200
    assert answer.json() == {"firstName": "Ada", "sentAt": None}


def test_a_declared_problem_brings_its_status_members_and_headers(client: httpx2.Client) -> None:
    answer = client.get("/teapot")

    document = problem(answer, 418, "teapot")
    assert document["title"] == "I am a teapot"
    assert document["detail"] == "short and stout"
    assert document["spout"] == 1
    assert answer.headers["x-handle"] == "1"


def test_an_unexpected_failure_shows_nothing_and_is_logged_with_its_correlation_id(
    service: ServiceProcess, client: httpx2.Client
) -> None:
    answer = client.get("/broken", headers={"X-Correlation-Id": "find-me"})

    problem(answer, 500, "internal-error")
    assert "RuntimeError" not in answer.text
    assert '"correlation_id": "find-me"' in service.log()
    assert "hunter2" not in service.log()


@pytest.mark.parametrize(
    "path",
    [
        "/health/live",
        "/health/ready",
        "/actuator/health",
        "/actuator/health/liveness",
        "/actuator/health/readiness",
    ],
)
def test_a_healthy_service_says_up(client: httpx2.Client, path: str) -> None:
    assert client.get(path).json() == {"status": "UP"}


def test_requests_are_counted_by_route_template_and_status(client: httpx2.Client) -> None:
    client.get("/slow/0")
    client.get("/slow/1")
    client.get("/some-random-path")

    text = client.get("/actuator/prometheus").text

    # The literal of a path parameter never becomes a label value.
    assert re.search(r'count{.*method="GET",route="/slow/\{milliseconds\}",status="200"} 2.0', text)
    assert 'route="unmatched",status="404"' in text
    assert "some-random-path" not in text


def test_the_openapi_document_and_a_page_without_scripts_are_served(
    client: httpx2.Client,
) -> None:
    for path in ("/openapi.json", "/v3/api-docs"):
        document = client.get(path).json()
        assert document["openapi"].startswith("3.1")
        assert set(document["components"]["securitySchemes"]) == {"bearerAuth", "apiKeyAuth"}
        assert set(document["paths"]) == {"/slow/{milliseconds}", "/echo", "/teapot", "/broken"}
    for path in ("/docs", "/swagger-ui.html"):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "POST /echo" in page.text
        assert "<script" not in page.text
        assert "//" not in page.text


def test_readiness_names_the_dependency_that_does_not_answer(tmp_path: Path) -> None:
    port = free_port()
    with running(
        ["-m", MODULE, str(port), "1"], port, tmp_path / "log", {"DEMONSTRATION_DOWN": "1"}
    ) as service:
        answer = httpx2.get(service.url + "/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "DOWN", "checks": {"database": "connection refused"}}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_answers_every_accepted_request_and_ends_with_0(
    tmp_path: Path, workers: int
) -> None:
    port = free_port()
    with (
        running(["-m", MODULE, str(port), str(workers)], port, tmp_path / "log") as service,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = [
            pool.submit(httpx2.get, service.url + "/slow/2500", timeout=10) for _ in range(8)
        ]
        wait_for_requests_in_flight(service, 8)

        assert service.terminate() == 0

        assert [answer.result().status_code for answer in answers] == [200] * 8


def test_workers_share_one_sum_of_metrics(tmp_path: Path) -> None:
    port = free_port()
    with running(["-m", MODULE, str(port), "2"], port, tmp_path / "log") as service:
        pids = {httpx2.get(service.url + "/slow/0").json()["pid"] for _ in range(30)}
        text = httpx2.get(service.url + "/metrics").text

    assert len(pids) == 2
    assert re.search(r'count{.*route="/slow/\{milliseconds\}",status="200"} 30.0', text)


def wait_for_requests_in_flight(service: ServiceProcess, number: int) -> None:
    """Until that many requests have reached their route."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if service.log().count("a slow request began") >= number:
            return
        time.sleep(0.01)
    raise AssertionError(f"never saw {number} requests in flight")


def test_workers_give_up_the_port_when_their_parent_is_killed(tmp_path: Path) -> None:
    port = free_port()
    with running(["-m", MODULE, str(port), "2"], port, tmp_path / "log") as service:
        service.process.kill()
        service.process.wait()

        deadline = time.monotonic() + 10
        while True:
            try:
                httpx2.get(service.url + "/health/live")
            except httpx2.TransportError:
                break
            assert time.monotonic() < deadline, "a worker still answers"
            time.sleep(0.05)
