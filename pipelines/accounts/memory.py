"""What one command sees of an account, and what it will have changed: read lazily, written once.

Nothing reaches the stores before `write`; a command whose deciding raised leaves no trace.
"""

from collections.abc import Callable
from typing import Any

from pipelines.accounts import wakeups
from state.accounts import HOLD_OPEN, Account, Answered, Hold
from state.codec import T, decode, encode
from state.store import DurableStore, ExpiringStore, PartitionStores


class StoreReadError(RuntimeError):
    """A store could not be read, or holds what this code cannot: the process has to stop."""


HoldKey = tuple[int, int]
"""(offset, index): the place of a hold's reserve in its partition's log."""

Store = DurableStore | ExpiringStore

Writes = list[tuple[Callable[..., None], tuple[Any, ...]]]
"""What is to be written: each a store's method and what it is called with."""

GARBAGE_AFTER_MS = 3_600_000
"""How long stores keep an expired entry beyond the time that is compared."""


class AccountMemory:
    """One account within one partition's stores, for the time of one command."""

    __slots__ = (
        "_account_key",
        "_answers",
        "_holds",
        "_stores",
        "_wakeups",
        "_written_answers",
        "_written_holds",
        "account",
        "account_id",
        "changed",
        "now_ms",
    )

    def __init__(self, account_id: str, stores: PartitionStores, now_ms: int) -> None:
        self.account_id = account_id
        self.now_ms = now_ms
        self.changed = False
        self._stores = stores
        self._holds: dict[HoldKey, Hold] = {}
        self._written_holds: set[HoldKey] = set()
        self._answers: dict[str, Answered | None] = {}
        self._written_answers: set[str] = set()
        self._wakeups: set[int] = set()
        self._account_key = b"a:" + account_id.encode()
        self.account = self._read(Account, self._account_key, stores.durable) or Account()

    def hold(self, key: HoldKey) -> Hold | None:
        """An open hold, or a closed one that is still remembered."""
        hold = self._holds.get(key)
        if hold is None:
            stored = self._hold_key(key)
            hold = self._read(Hold, stored, self._stores.durable) or self._read(
                Hold, stored, self._stores.expiring
            )
            if hold is None:
                return None
            self._holds[key] = hold
        if hold.state != HOLD_OPEN and self.now_ms >= hold.remembered_until_ms:
            return None
        return hold

    def keep_hold(self, key: HoldKey, hold: Hold) -> None:
        self._holds[key] = hold
        self._written_holds.add(key)

    def answer(self, command_id: str) -> Answered | None:
        """What took effect under this command id, while it is to be repeated."""
        if command_id not in self._answers:
            stored = self._answer_key(command_id)
            answer = None
            if self.account.lasting_answers:
                answer = self._read(Answered, stored, self._stores.durable)
            self._answers[command_id] = answer or self._read(
                Answered, stored, self._stores.expiring
            )
        answer = self._answers[command_id]
        if answer is None or answer.repeatable_until_ms is None:
            return answer
        return answer if self.now_ms < answer.repeatable_until_ms else None

    def keep_answer(self, command_id: str, answer: Answered) -> None:
        self._answers[command_id] = answer
        self._written_answers.add(command_id)
        if answer.repeatable_until_ms is None:
            self.account.lasting_answers = True

    def drop_answer(self, command_id: str, hold: HoldKey) -> None:
        """Free a reserve's command id, if its answer is still the one that made `hold`."""
        answer = self.answer(command_id)
        if answer is not None and answer.hold == hold:
            self._answers[command_id] = None
            self._written_answers.add(command_id)

    def wake_at(self, deadline_ms: int) -> None:
        """See to it that a tick reaches the account once `deadline_ms` has passed."""
        bucket = wakeups.bucket_of(deadline_ms)
        if bucket in self.account.wakeups:
            return
        oldest = wakeups.bucket_of(self.now_ms)
        self.account.wakeups = [known for known in self.account.wakeups if known >= oldest]
        self.account.wakeups.append(bucket)
        self._wakeups.add(bucket)

    def encoded(self) -> Writes:
        """All that changed, each key once, the account's record last; touches no store.

        Raises what makes a value unfit to be stored, such as `ValueTooLargeError`.
        """
        writes: Writes = []
        for key in self._written_holds:
            self._encode_hold(writes, key)
        for command_id in self._written_answers:
            self._encode_answer(writes, command_id)
        if self.changed:
            stored = self._account_key
            writes.append((self._stores.durable.set, (stored, encode(stored, self.account))))
        return writes

    def write(self, writes: Writes) -> None:
        """Write what `encoded` gave, and list the account in its new wake-up buckets."""
        for bucket in sorted(self._wakeups):
            wakeups.list_account(self._stores.durable, self.account_id, bucket)
        for change, arguments in writes:
            change(*arguments)

    def _read(self, kind: type[T], stored: bytes, store: Store) -> T | None:
        try:
            encoded = store.get(stored)
            return None if encoded is None else decode(kind, encoded)
        except Exception as error:
            raise StoreReadError(f"cannot read state key {stored!r}: {error}") from error

    def _encode_hold(self, writes: Writes, key: HoldKey) -> None:
        hold, stored = self._holds[key], self._hold_key(key)
        if hold.state == HOLD_OPEN:
            writes.append((self._stores.durable.set, (stored, encode(stored, hold))))
            return
        writes.append((self._stores.durable.delete, (stored,)))
        ttl_ms = hold.remembered_until_ms - self.now_ms + GARBAGE_AFTER_MS
        if ttl_ms > 0:
            writes.append((self._stores.expiring.set, (stored, encode(stored, hold), ttl_ms)))

    def _encode_answer(self, writes: Writes, command_id: str) -> None:
        answer, stored = self._answers[command_id], self._answer_key(command_id)
        if answer is None:
            writes.append((self._stores.expiring.delete, (stored,)))
        elif answer.repeatable_until_ms is None:
            writes.append((self._stores.durable.set, (stored, encode(stored, answer))))
        else:
            ttl_ms = answer.repeatable_until_ms - self.now_ms + GARBAGE_AFTER_MS
            writes.append((self._stores.expiring.set, (stored, encode(stored, answer), ttl_ms)))

    def _hold_key(self, key: HoldKey) -> bytes:
        return f"h:{self.account_id}:{key[0]}:{key[1]}".encode()

    def _answer_key(self, command_id: str) -> bytes:
        return f"c:{self.account_id}:{command_id}".encode()
