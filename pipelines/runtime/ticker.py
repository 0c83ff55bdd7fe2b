"""Time for partitions that nobody writes to: one tick when a deadline is due.

A pipeline has no timers: time passes for it only as records arrive. So a thread watches each
assigned partition's earliest wake-up and, when the wall clock says that it is due, sends the
partition one tick command. Whether something really is due is decided by the tick's own broker
time. Nothing due, no ticks: the log is kept for ever and must not grow with time alone.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from pipelines.runtime.processor import Headers, OutputRecord

TICK_HEADER = "tick-id"
"""By this header the runtime knows its own tick again; pipelines do not look at it."""

_LONGEST_WAIT_S = 60.0

WallClock = Callable[[], int]
"""Epoch milliseconds now."""


def wall_clock_ms() -> int:
    """Epoch milliseconds now."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Schedule:
    due_ms: int | None = None
    """When the partition next needs a tick, as its state says."""
    send_at_ms: int = 0
    """The same by our wall clock, which may be ahead of the broker's."""
    in_flight: bytes | None = None
    """The id of the tick that was sent and has not been applied."""
    ticked: bool = False
    """A tick was applied since the last plan: the partition's clock is the broker's now."""


class Ticker:
    """Sends partitions their ticks; all methods belong to the processing thread.

    `tick_record` makes one partition's tick and `send` delivers it; both run on the ticker's
    thread. What either raises ends the thread and comes out of `raise_for_failure`.
    """

    def __init__(
        self,
        tick_record: Callable[[int], OutputRecord],
        send: Callable[[OutputRecord], None],
        clock_ms: WallClock = wall_clock_ms,
    ) -> None:
        self._tick_record = tick_record
        self._send = send
        self._clock_ms = clock_ms
        self._ids = count(clock_ms())
        self._schedules: dict[int, _Schedule] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more. Returns when the thread has ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def plan(self, partition: int, due_ms: int | None, partition_clock_ms: int) -> None:
        """Say when a partition next needs a tick, after records of it were applied.

        A due time that a tick did not move on means that work remains, and the next tick goes at
        once; unless it lies ahead of the tick's own time, which means that our clock is ahead of
        the broker's: then it goes when the broker's will be there.
        """
        with self._changed:
            schedule = self._schedules.setdefault(partition, _Schedule())
            if due_ms is not None and (schedule.ticked or due_ms != schedule.due_ms):
                ahead_ms = max(0, due_ms - partition_clock_ms) if schedule.ticked else 0
                schedule.send_at_ms = max(due_ms, self._clock_ms() + ahead_ms)
            schedule.due_ms = due_ms
            schedule.ticked = False
            self._changed.notify()

    def awaits(self, partition: int) -> bool:
        """Whether a tick is on its way to the partition."""
        schedule = self._schedules.get(partition)
        return schedule is not None and schedule.in_flight is not None

    def applied(self, partition: int, headers: Headers) -> None:
        """Take note of an applied record: if it was the partition's tick, another may follow."""
        schedule = self._schedules.get(partition)
        if schedule is None:
            return
        for name, value in headers:
            if name == TICK_HEADER and value == schedule.in_flight:
                schedule.in_flight = None
                schedule.ticked = True

    def forget(self, partition: int) -> None:
        """Send a partition that is no longer ours nothing more."""
        with self._changed:
            self._schedules.pop(partition, None)

    def raise_for_failure(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while (ticks := self._next_ticks()) is not None:
                for tick in ticks:
                    self._send(tick)
        except Exception as error:  # noqa: BLE001 - handed to the processing thread, which raises it
            self._failure = error

    def _next_ticks(self) -> list[OutputRecord] | None:
        """Wait until ticks are due; None when the ticker was stopped."""
        with self._changed:
            while not self._stopped:
                now_ms = self._clock_ms()
                waiting = {
                    partition: schedule
                    for partition, schedule in self._schedules.items()
                    if schedule.due_ms is not None and schedule.in_flight is None
                }
                due = {p: s for p, s in waiting.items() if s.send_at_ms <= now_ms}
                if due:
                    return [self._tick(partition, schedule) for partition, schedule in due.items()]
                next_ms = min((s.send_at_ms for s in waiting.values()), default=None)
                self._changed.wait(
                    _LONGEST_WAIT_S
                    if next_ms is None
                    else min(_LONGEST_WAIT_S, (next_ms - now_ms) / 1000)
                )
        return None

    def _tick(self, partition: int, schedule: _Schedule) -> OutputRecord:
        schedule.in_flight = b"%d" % next(self._ids)
        tick = self._tick_record(partition)
        return tick._replace(headers=[*tick.headers, (TICK_HEADER, schedule.in_flight)])
