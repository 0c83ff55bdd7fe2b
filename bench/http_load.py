"""Drives an HTTP route over kept-alive connections, thinly: the driver shares the machine.

A general client takes longer per request than the gateway does, and would measure itself. This
one writes requests that were made before, and reads no more of an answer than its length.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

from bench.measure import Load, Stopwatch

_ANSWERED_WITHIN_S = 20.0
_LENGTH = b"content-length: "
_MOST_CONNECTIONS = 128


class HttpDriver:
    """Sends the requests that `requests` gives, each a whole HTTP/1.1 message."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._port = port
        self._requests = requests
        self.answered = 0

    def run(self, load: Load) -> list[float]:
        return asyncio.run(self._run(load))

    def close(self) -> None:
        """Nothing to let go of: each run closes its own connections."""

    async def _run(self, load: Load) -> list[float]:
        watch = Stopwatch()
        idle: asyncio.Queue[_Connection] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        connections = [
            (
                await loop.create_connection(
                    lambda: _Connection(idle.put_nowait), "127.0.0.1", self._port
                )
            )[1]
            for _ in range(load.in_flight or _MOST_CONNECTIONS)
        ]
        try:
            if load.in_flight:
                await self._closed_loop(watch, connections)
            else:
                await self._open_loop(watch, idle, load.rate_per_s or 0)
            await _all_idle(connections)
        finally:
            for connection in connections:
                connection.close()
        self.answered += sum(connection.answered for connection in connections)
        return watch.latencies_s

    async def _closed_loop(self, watch: Stopwatch, connections: list["_Connection"]) -> None:
        def send_next(connection: _Connection) -> None:
            now_s = time.perf_counter()
            if now_s < watch.ends_s:
                connection.send(next(self._requests), now_s, watch)

        for connection in connections:
            connection.on_idle = send_next
            send_next(connection)
        await asyncio.sleep(watch.ends_s - time.perf_counter())

    async def _open_loop(
        self, watch: Stopwatch, idle: asyncio.Queue["_Connection"], rate_per_s: int
    ) -> None:
        due_s = watch.began_s
        while due_s < watch.ends_s:
            now_s = time.perf_counter()
            if due_s > now_s:
                await asyncio.sleep(due_s - now_s)
            (await idle.get()).send(next(self._requests), due_s, watch)
            due_s += 1 / rate_per_s


async def _all_idle(connections: list["_Connection"]) -> None:
    """Wait for what is under way, so that it is not counted as another run's."""
    async with asyncio.timeout(_ANSWERED_WITHIN_S):
        for connection in connections:
            await connection.idle.wait()


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, on_idle: Callable[["_Connection"], None]) -> None:
        self.on_idle = on_idle
        self.idle = asyncio.Event()
        self.idle.set()
        self.answered = 0
        self._received = b""
        self._due_s = 0.0
        self._watch: Stopwatch | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a stream connection has
        self._transport = transport
        self.on_idle(self)

    def send(self, request: bytes, due_s: float, watch: Stopwatch) -> None:
        self.idle.clear()
        self._due_s, self._watch = due_s, watch
        if self._transport is not None:
            self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._received[:head_end].lower()
        start = head.index(_LENGTH) + len(_LENGTH)
        length = int(head[start : (head + b"\r\n").index(b"\r\n", start)])
        if len(self._received) < head_end + 4 + length:
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._received[: head_end + 4 + length].decode())
        self._received = b""
        self.idle.set()
        self.answered += 1
        if self._watch is not None:
            self._watch.answered(self._due_s, time.perf_counter())
        self.on_idle(self)
