"""The expiring store of a replay: forgets entries when their time to live is over.

Whether an entry counts is decided by the time in it, so forgetting changes no decision; it keeps
a replay of years from remembering every command of them.
"""

import heapq


class ForgettingStore:
    """A dictionary with times to live, which run by the time of the records."""

    def __init__(self) -> None:
        self._values: dict[bytes, tuple[bytes, int]] = {}
        self._deadlines: list[tuple[int, bytes]] = []
        self._now_ms = 0

    def __len__(self) -> int:
        return len(self._values)

    def at(self, now_ms: int) -> None:
        """Let time pass up to `now_ms` (epoch ms), and forget what has expired by then."""
        self._now_ms = max(self._now_ms, now_ms)
        while self._deadlines and self._deadlines[0][0] <= self._now_ms:
            deadline_ms, key = heapq.heappop(self._deadlines)
            stored = self._values.get(key)
            if stored is not None and stored[1] == deadline_ms:
                del self._values[key]

    def get(self, key: bytes) -> bytes | None:
        stored = self._values.get(key)
        return None if stored is None else stored[0]

    def set(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        deadline_ms = self._now_ms + ttl_ms
        self._values[key] = (value, deadline_ms)
        heapq.heappush(self._deadlines, (deadline_ms, key))

    def delete(self, key: bytes) -> None:
        self._values.pop(key, None)
