"""The store of a replay forgets in time, and nothing else."""

from leaky.verification.expiring_store import ForgettingStore


def test_an_entry_is_kept_until_its_time_to_live_is_over() -> None:
    store = ForgettingStore()
    store.at(1_000)
    store.set(b"key", b"value", ttl_ms=500)
    store.at(1_499)
    assert store.get(b"key") == b"value"
    store.at(1_500)
    assert store.get(b"key") is None
    assert len(store) == 0


def test_a_rewritten_entry_lives_as_long_as_the_last_write_says() -> None:
    store = ForgettingStore()
    store.set(b"key", b"old", ttl_ms=100)
    store.set(b"key", b"new", ttl_ms=1_000)
    store.at(500)
    assert store.get(b"key") == b"new"
    store.delete(b"key")
    assert store.get(b"key") is None
    store.at(2_000)
    assert len(store) == 0


def test_its_time_never_goes_back() -> None:
    store = ForgettingStore()
    store.at(1_000)
    store.at(10)
    store.set(b"key", b"value", ttl_ms=100)
    store.at(500)
    assert store.get(b"key") == b"value"
