"""The devstack on real servers: up, again, crashed, shown, down, and a download that fails."""

from collections.abc import Callable

import psycopg
import redis
from confluent_kafka.admin import AdminClient

from tests.servers import Servers


def test_the_servers_of_the_tests_answer(servers: Servers) -> None:
    metadata = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers}).list_topics(
        timeout=10
    )
    assert len(metadata.brokers) >= 1
    with psycopg.connect(servers.postgres_dsn) as connection:
        row = connection.execute("show server_version").fetchone()
        assert row is not None
        assert row[0].startswith("18")
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.eval("return 40 + 2", 0) == 42


def test_a_fresh_database_is_empty_and_apart(fresh_database: str, servers: Servers) -> None:
    assert fresh_database != servers.postgres_dsn
    with psycopg.connect(fresh_database) as connection:
        tables = connection.execute(
            "select count(*) from information_schema.tables where table_schema = 'public'"
        ).fetchone()
        assert tables == (0,)


def test_a_broker_of_ones_own_is_another_one(
    own_kafka: Callable[[], str], servers: Servers
) -> None:
    mine = own_kafka()
    assert mine != servers.kafka_bootstrap_servers
    assert AdminClient({"bootstrap.servers": mine}).list_topics(timeout=10).topics == {}
