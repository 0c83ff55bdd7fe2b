"""Which stores are too old to be caught up."""

import os
from pathlib import Path

from pipelines.runtime.state_folders import delete_idle_stores

DAY_MS = 86_400_000
NOW_MS = 100 * DAY_MS


def make_store(folder: Path, used_ms: int) -> Path:
    folder.mkdir(parents=True)
    for name in ("CURRENT", "000009.sst"):
        (folder / name).touch()
        os.utime(folder / name, ns=(0, (used_ms - DAY_MS) * 1_000_000))
    os.utime(folder / "000009.sst", ns=(0, used_ms * 1_000_000))
    return folder


def test_stores_idle_for_longer_are_deleted_and_no_others(tmp_path: Path) -> None:
    old = make_store(tmp_path / "accounts/default/commands/0", NOW_MS - 7 * DAY_MS - 1)
    fresh = make_store(tmp_path / "accounts/default/commands/1", NOW_MS - 7 * DAY_MS)
    assert delete_idle_stores(tmp_path, 7, NOW_MS) == [old]
    assert not old.exists()
    assert fresh.exists()


def test_a_slot_that_never_ran_has_nothing_to_delete(tmp_path: Path) -> None:
    assert delete_idle_stores(tmp_path / "missing", 7, NOW_MS) == []
