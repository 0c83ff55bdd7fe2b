"""Quix's checkpoints, with steps of ours before, between and after them."""

import time
from collections.abc import Callable

from quixstreams.processing import ProcessingContext


class CheckpointContext(ProcessingContext):
    """Quix's processing context, which tells us of each checkpoint.

    `before_commit` runs before a checkpoint that has records is committed, `on_new_checkpoint`
    whenever another one begins, committed or empty, and `after_commit` with the seconds that the
    commit took and whether partitions are being revoked meanwhile.
    """

    before_commit: Callable[[], None]
    on_new_checkpoint: Callable[[], None]
    after_commit: Callable[[float, bool], None]

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
        self.after_commit(time.perf_counter() - started, revoking)
