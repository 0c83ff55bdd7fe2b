"""Metrics and health over HTTP for processes that serve nothing else, from a daemon thread."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service.health import (
    LIVE_BODY,
    LIVE_PATHS,
    METRICS_PATHS,
    READY_PATHS,
    Check,
    readiness_answer,
    run_checks,
)
from service.metrics import CONTENT_TYPE, Metrics


class MetricsServer:
    """A running server; `port` is the one it listens on, also when 0 was asked for."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.port = int(server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def start_metrics_server(
    port: int, metrics: Metrics, checks: Mapping[str, Check], host: str = "127.0.0.1"
) -> MetricsServer:
    """Serve /metrics, /health/live, /health/ready and their aliases until the process ends.

    The checks run at every readiness request, in a thread of their own: they must be thread-safe
    and quick. Raises OSError when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in METRICS_PATHS:
                self._answer(200, metrics.render(), CONTENT_TYPE)
            elif path in LIVE_PATHS:
                self._answer(200, LIVE_BODY, "application/json")
            elif path in READY_PATHS:
                self._answer(*readiness_answer(run_checks(checks)), "application/json")
            else:
                self._answer(404, b'{"status":404,"title":"Not found"}', "application/problem+json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Scrapes are not worth a log line."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics-server", daemon=True).start()
    return MetricsServer(server)
