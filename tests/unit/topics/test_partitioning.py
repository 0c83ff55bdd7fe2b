"""The partitioner gives Kafka's own answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics.partitioning import murmur2, partition_for, partition_of_account


@pytest.mark.parametrize(
    ("key", "signed_hash"),
    [
        # What Kafka's Java client computes (org.apache.kafka.common.utils.Utils.murmur2).
        (b"21", -973932308),
        (b"abc", 479470107),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_the_hash_is_the_java_clients(key: bytes, signed_hash: int) -> None:
    assert murmur2(key) == signed_hash & 0xFFFFFFFF


@given(key=st.binary(max_size=100), partitions=st.integers(1, 1000))
def test_every_key_belongs_to_one_of_the_partitions(key: bytes, partitions: int) -> None:
    assert 0 <= partition_for(key, partitions) < partitions


@given(account=st.text(max_size=60), partitions=st.integers(1, 1000))
def test_an_account_belongs_where_its_bytes_do(account: str, partitions: int) -> None:
    expected = partition_for(account.encode(), partitions)

    assert partition_of_account(account, partitions) == expected
    assert partition_of_account(account, partitions) == expected, "also when it is remembered"
