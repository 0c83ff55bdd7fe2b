"""Old state folders, deleted before a process opens its stores.

A store that was put aside keeps keys that have been deleted since; once the changelog has compacted
their tombstones away nothing would ever delete them again. So a folder that nobody has written to
for days is not caught up but rebuilt from the changelog.
"""

import logging
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

_MS_PER_DAY = 86_400_000


def delete_idle_stores(folder: Path, idle_days: int, now_ms: int) -> list[Path]:
    """Delete each partition's store below `folder` that has been idle for `idle_days`.

    Returns what was deleted. A store is a folder with RocksDB's CURRENT file in it; it was last
    used when the newest of its files was written.
    """
    deleted = []
    for current in sorted(folder.glob("**/CURRENT")):
        store = current.parent
        newest_ms = max(file.stat().st_mtime_ns for file in store.iterdir()) // 1_000_000
        if now_ms - newest_ms > idle_days * _MS_PER_DAY:
            shutil.rmtree(store)
            logger.info("deleted the store %s, idle for more than %d days", store, idle_days)
            deleted.append(store)
    return deleted
