"""When a partition gets a tick, by a clock that the test holds."""

import queue
import threading

import pytest

from pipelines.runtime.processor import OutputRecord
from pipelines.runtime.ticker import TICK_HEADER, Ticker

SOON_S = 5.0


class Bench:
    """A running ticker whose ticks arrive in a queue."""

    def __init__(self, now_ms: int = 10_000) -> None:
        self.now_ms = now_ms
        self.sent: queue.Queue[OutputRecord] = queue.Queue()
        self.ticker = Ticker(
            lambda partition: OutputRecord("commands", None, b"tick", (), partition),
            self.sent.put,
            lambda: self.now_ms,
        )
        self.ticker.start()

    def tick(self) -> OutputRecord:
        return self.sent.get(timeout=SOON_S)

    def apply(self, tick: OutputRecord) -> None:
        assert tick.partition is not None
        self.ticker.applied(tick.partition, tick.headers)

    def sends_nothing_more(self) -> bool:
        """True when the thread, asked to look again, sent nothing before it ended."""
        self.ticker.stop()
        return self.sent.empty()


def test_a_due_partition_gets_one_tick_and_no_second_before_that_is_applied() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(4, due_ms=9_000, partition_clock_ms=500)
    assert bench.tick().partition == 4
    assert bench.ticker.awaits(4)
    bench.ticker.plan(4, due_ms=9_000, partition_clock_ms=9_500)
    assert bench.sends_nothing_more()


def test_a_partition_with_nothing_due_gets_no_tick() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=None, partition_clock_ms=9_999)
    bench.ticker.plan(2, due_ms=10_000_000, partition_clock_ms=9_999)
    assert bench.sends_nothing_more()


def test_a_tick_leaves_when_the_clock_reaches_the_due_time() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=10_050, partition_clock_ms=9_999)
    bench.now_ms = 10_050
    assert bench.tick().partition == 1
    bench.ticker.stop()


def test_work_that_remains_after_a_tick_gets_the_next_one_at_once() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=9_000, partition_clock_ms=9_000)
    bench.apply(bench.tick())
    bench.ticker.plan(1, due_ms=9_000, partition_clock_ms=10_000)
    assert bench.tick().partition == 1
    bench.ticker.stop()


def test_a_clock_ahead_of_the_brokers_waits_for_it_and_does_not_tick_in_a_loop() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=9_900, partition_clock_ms=0)
    bench.apply(bench.tick())
    # The tick's own time was 400 ms before the due time: so far is our clock ahead, at least.
    bench.ticker.plan(1, due_ms=9_900, partition_clock_ms=9_500)
    bench.now_ms = 10_300
    bench.ticker.plan(1, due_ms=9_900, partition_clock_ms=9_800)
    assert bench.sent.empty()
    bench.now_ms = 10_400
    assert bench.tick().partition == 1
    bench.ticker.stop()


def test_a_forgotten_partition_gets_no_tick() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=60_000, partition_clock_ms=9_000)
    bench.ticker.forget(1)
    bench.now_ms = 60_000
    assert bench.sends_nothing_more()


def test_another_processes_tick_does_not_count_as_ours() -> None:
    bench = Bench(now_ms=10_000)
    bench.ticker.plan(1, due_ms=9_000, partition_clock_ms=9_000)
    bench.tick()
    bench.ticker.applied(1, [(TICK_HEADER, b"other")])
    assert bench.ticker.awaits(1)
    bench.ticker.stop()


def test_what_sending_raises_reaches_the_processing_thread() -> None:
    ended = threading.Event()

    def refuse(_: OutputRecord) -> None:
        ended.set()
        raise ConnectionError("no broker")

    ticker = Ticker(
        lambda partition: OutputRecord("commands", None, b"tick", (), partition),
        refuse,
        lambda: 10_000,
    )
    ticker.start()
    ticker.plan(1, due_ms=1, partition_clock_ms=0)
    assert ended.wait(SOON_S)
    ticker.stop()
    with pytest.raises(ConnectionError, match="no broker"):
        ticker.raise_for_failure()
