"""Partitions for a test, replayed at its end."""

from collections.abc import Iterator

import pytest

from schemas.policies import PolicyDocument
from tests.unit.accounts.partition import NewPartition, Partition


@pytest.fixture
def new_partition(monkeypatch: pytest.MonkeyPatch) -> Iterator[NewPartition]:
    """Makes partitions under a policy (None: before the first one).

    At the test's end their records are applied again, under the product's own rules and with the
    failures that are on record: the same bytes must come out.
    """
    partitions: list[Partition] = []

    def make(policy: PolicyDocument | None) -> Partition:
        partitions.append(Partition(policy))
        return partitions[-1]

    yield make
    monkeypatch.undo()
    for partition in partitions:
        partition.check_replay()
