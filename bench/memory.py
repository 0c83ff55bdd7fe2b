"""Peak memory of processes, and the work after which it is asked for."""

import threading
from collections.abc import Mapping
from uuid import UUID

import psutil
from confluent_kafka import Producer

from topics.partitioning import PARTITIONER, partition_of_account

_SAMPLE_EVERY_S = 0.2
_ACCOUNTS_A_RECORD = 200
_FIRST_NUMBER = 10_000_000
"""Beyond the users of the other cases."""


class MemoryWatch:
    """Samples each process's resident memory until it is closed."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._peaks = dict.fromkeys(pids, 0.0)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._thread.start()

    def now_mb(self, name: str) -> float:
        """A process's resident memory in MB (10^6 bytes)."""
        return float(self._processes[name].memory_info().rss) / 1e6

    def close(self) -> dict[str, float]:
        """The peaks in MB."""
        self._closed.set()
        self._thread.join()
        return {name: round(peak, 1) for name, peak in self._peaks.items()}

    def _watch(self) -> None:
        while not self._closed.wait(_SAMPLE_EVERY_S):
            for name in self._processes:
                self._peaks[name] = max(self._peaks[name], self.now_mb(name))


def fill_accounts(bootstrap_servers: str, topics_prefix: str, count: int, partitions: int) -> None:
    """Have `count` accounts consume a token each, many commands a record."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "partitioner": PARTITIONER,
        }
    )
    waiting: dict[int, list[str]] = {number: [] for number in range(partitions)}
    for number in range(_FIRST_NUMBER, _FIRST_NUMBER + count):
        account = f"user:{UUID(int=number)}"
        partition = partition_of_account(account, partitions)
        waiting[partition].append(_command(account, number))
        if len(waiting[partition]) == _ACCOUNTS_A_RECORD:
            _send(producer, topics_prefix, partition, waiting[partition])
    for partition, commands in waiting.items():
        if commands:
            _send(producer, topics_prefix, partition, commands)
    if producer.flush(60):
        raise RuntimeError("the accounts were not sent")


def _command(account: str, number: int) -> str:
    return (
        f'{{"type":"consume","version":1,"commandId":"fill-{number}","account":"{account}",'
        f'"provider":"openai","tokens":1}}'
    )


def _send(producer: Producer, prefix: str, partition: int, commands: list[str]) -> None:
    value = f"[{','.join(commands)}]".encode()
    commands.clear()
    producer.produce(f"{prefix}accounts.commands", value, partition=partition)
    producer.poll(0)
