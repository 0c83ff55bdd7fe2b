"""When a partition next needs a tick, although none of its accounts may ever be asked again.

Accounts are listed in coarse buckets of 10 seconds, once per bucket and not once per hold. A
bucket is due when its end has come. Stores have no range scans: the index key lists the buckets,
each bucket's accounts are in pages.
"""

import msgspec

from state.store import DurableStore

BUCKET_MS = 10_000
PAGE_ACCOUNTS = 128
_INDEX_KEY = b"!wakeups"
_VERSION = b"\x01"


class _Bucket(msgspec.Struct, array_like=True):
    number: int
    pages: int
    last_page_accounts: int


_encode = msgspec.msgpack.Encoder().encode
_decode_index = msgspec.msgpack.Decoder(list[_Bucket]).decode
_decode_page = msgspec.msgpack.Decoder(list[str]).decode


def bucket_of(deadline_ms: int) -> int:
    return deadline_ms // BUCKET_MS


def next_wakeup_ms(store: DurableStore) -> int | None:
    """When the earliest bucket is due (epoch ms); None when no account waits."""
    buckets = _index(store)
    return (buckets[0].number + 1) * BUCKET_MS if buckets else None


def list_account(store: DurableStore, account_id: str, bucket: int) -> None:
    """List the account in `bucket`; the caller sees to it that it is not there yet."""
    buckets = _index(store)
    entry = next((known for known in buckets if known.number == bucket), None)
    if entry is None:
        entry = _Bucket(bucket, 0, 0)
        buckets.append(entry)
        buckets.sort(key=lambda known: known.number)
    accounts: list[str] = []
    if entry.pages and entry.last_page_accounts < PAGE_ACCOUNTS:
        accounts = _page(store, bucket, entry.pages - 1)
    else:
        entry.pages += 1
    accounts.append(account_id)
    entry.last_page_accounts = len(accounts)
    store.set(_page_key(bucket, entry.pages - 1), _VERSION + _encode(accounts))
    store.set(_INDEX_KEY, _VERSION + _encode(buckets))


def take_due(store: DurableStore, now_ms: int) -> list[str]:
    """Take one page of accounts off the earliest bucket that is due; empty when none is."""
    buckets = _index(store)
    if not buckets or (buckets[0].number + 1) * BUCKET_MS > now_ms:
        return []
    bucket = buckets[0]
    bucket.pages -= 1
    accounts = _page(store, bucket.number, bucket.pages)
    store.delete(_page_key(bucket.number, bucket.pages))
    if not bucket.pages:
        buckets.pop(0)
    store.set(_INDEX_KEY, _VERSION + _encode(buckets))
    return accounts


def _index(store: DurableStore) -> list[_Bucket]:
    encoded = store.get(_INDEX_KEY)
    return [] if encoded is None else _decode_index(encoded[1:])


def _page(store: DurableStore, bucket: int, page: int) -> list[str]:
    encoded = store.get(_page_key(bucket, page))
    return [] if encoded is None else _decode_page(encoded[1:])


def _page_key(bucket: int, page: int) -> bytes:
    return f"w:{bucket}:{page}".encode()
