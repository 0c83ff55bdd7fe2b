"""Quix's checkpoints, with steps of ours before, between and after them."""

import time
from collections.abc import Callable

from quixstreams.processing import ProcessingContext

WORK_PER_COMMIT = 9
"""How much longer the next checkpoint gathers than the last commit took: nothing is decided while
a checkpoint is committed, and with this that is a tenth of the time at the most."""


class CheckpointContext(ProcessingContext):
    """Quix's processing context, which tells us of each checkpoint.

    `before_commit` runs before a checkpoint that has records is committed, `on_new_checkpoint`
    whenever another one begins, committed or empty, and `after_commit` with the seconds that the
    commit took and whether partitions are being revoked meanwhile. The interval between two
    checkpoints follows what a commit takes, within its two bounds.
    """

    before_commit: Callable[[], None]
    on_new_checkpoint: Callable[[], None]
    after_commit: Callable[[float, bool], None]
    shortest_interval_s: float
    longest_interval_s: float

    def init_checkpoint(self) -> None:
        super().init_checkpoint()  # type: ignore[no-untyped-call]  # theirs
        self.on_new_checkpoint()

    def commit_checkpoint(self, force: bool = False, revoking: bool = False) -> None:
        if not (force or self.checkpoint.expired()):
            return
        if self.checkpoint.empty():
            super().commit_checkpoint(force=True, revoking=revoking)
            return
        started = time.perf_counter()
        self.before_commit()
        super().commit_checkpoint(force=True, revoking=revoking)
        seconds = time.perf_counter() - started
        self.commit_interval = min(
            self.longest_interval_s, max(self.shortest_interval_s, WORK_PER_COMMIT * seconds)
        )
        self.after_commit(seconds, revoking)
