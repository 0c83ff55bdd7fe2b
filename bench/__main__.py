"""`python -m bench`: run every case under every load, print the table, write build/bench.json."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, cycle
from pathlib import Path

from rich.console import Console

from bench.http_load import HttpDriver
from bench.identities import User, make_key, make_users, serving_keys
from bench.kafka_load import KafkaDriver
from bench.measure import LOADS, Driver, Load, Result, result
from bench.memory import MemoryWatch, fill_accounts
from bench.report import print_table, requirements, write_json
from bench.system import ECHO_PREFIX, PIPELINE_PREFIX, System, running_system
from topics.settings import TopicsSettings

_USERS = 1000
_ACCOUNTS = 100_000
_REQUESTS = 100_000
_REPORT = Path("build/bench.json")


def main() -> int:
    """Measure; 0 when every required figure was met, else 1."""
    console = Console(highlight=False)
    began_s = time.monotonic()
    key = make_key()
    users = make_users(_USERS, key)
    folder = Path(tempfile.mkdtemp(prefix="leaky-bench-"))
    try:
        with serving_keys(key) as auth_url, running_system(folder, auth_url, console) as system:
            watch = MemoryWatch(system.pids)
            drivers = _drivers(system, users)
            results = list(_measure(drivers, console))
            growth_mb = _gateway_growth_mb(drivers, watch, console)
            _fill(system, drivers, console)
            memory_mb = watch.close()
            for driver in drivers.values():
                driver.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_table(console, results, memory_mb)
    write_json(_REPORT, results, memory_mb)
    missed = 0
    for requirement in requirements(results, memory_mb, growth_mb):
        console.print(str(requirement))
        missed += not requirement.met
    console.print(f"{_REPORT} written after {time.monotonic() - began_s:.0f} s")
    return 1 if missed else 0


def _drivers(system: System, users: Sequence[User]) -> dict[str, Driver]:
    accounts = [f"user:{user.id}" for user in users]
    broker = system.bootstrap_servers
    return {
        "echo": KafkaDriver(broker, ECHO_PREFIX, accounts, "echo"),
        "pipeline": KafkaDriver(broker, PIPELINE_PREFIX, accounts, "pipeline"),
        "http": HttpDriver(system.instant_port, cycle([_instant_request()])),
        "gateway": HttpDriver(system.gateway_port, _consume_requests(users)),
        "gateway-echo": HttpDriver(system.gateway_echo_port, _consume_requests(users)),
    }


def _measure(drivers: Mapping[str, Driver], console: Console) -> Iterator[Result]:
    for load in LOADS:
        console.print(f"measuring {load.name}: {', '.join(drivers)}")
        for name, driver in drivers.items():
            yield result(name, load, driver.run(load))


def _gateway_growth_mb(
    drivers: Mapping[str, Driver], watch: MemoryWatch, console: Console
) -> float:
    """How much the gateway's memory grows over the second half of its requests."""
    gateway = drivers["gateway"]
    assert isinstance(gateway, HttpDriver)  # noqa: S101 - as _drivers makes it
    console.print(f"bringing the gateway to {_REQUESTS:,} requests")
    halfway_mb = 0.0
    while gateway.answered < _REQUESTS:
        gateway.run(Load(in_flight=64))
        if not halfway_mb and gateway.answered >= _REQUESTS / 2:
            halfway_mb = watch.now_mb("gateway")
    return watch.now_mb("gateway") - halfway_mb


def _fill(system: System, drivers: Mapping[str, Driver], console: Console) -> None:
    """Give the pipeline its accounts, and wait until it has decided for all of them."""
    console.print(f"bringing the pipeline to {_ACCOUNTS:,} accounts")
    partitions = TopicsSettings().topics_partitions
    fill_accounts(system.bootstrap_servers, PIPELINE_PREFIX, _ACCOUNTS, partitions)
    drivers["pipeline"].run(Load(in_flight=128))


def _instant_request() -> bytes:
    return b"POST /instant HTTP/1.1\r\nhost: bench\r\ncontent-length: 2\r\n\r\n{}"


def _consume_requests(users: Sequence[User]) -> Iterator[bytes]:
    """Decide-only consume, for one user after the other."""
    heads = []
    for user in users:
        body = f'{{"userId":"{user.id}","provider":"openai","tokens":1,"call":false}}'
        heads.append(
            f"POST /api/v1/tokens/consume HTTP/1.1\r\nhost: bench\r\n"
            f"authorization: Bearer {user.token}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
    return (heads[number % len(heads)] for number in count())


if __name__ == "__main__":
    sys.exit(main())
