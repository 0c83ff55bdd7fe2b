"""The auth server on an empty, missing or returning database."""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.integration.auth_system import (
    PASSWORD,
    auth_server,
    log_in,
    register,
    run_auth,
    verified_claims,
)
from tests.servers import Servers


class TestOnAnEmptyDatabase:
    """Each of these starts from a database nobody has used."""

    @pytest.fixture
    def empty_database(self, servers: Servers) -> Iterator[str]:
        name = f"test_auth_{os.getpid()}_{time.monotonic_ns()}"
        with psycopg.connect(servers.postgres_dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            yield psycopg.conninfo.make_conninfo(servers.postgres_dsn, dbname=name)
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def test_replicas_that_start_together_share_one_key(
        self, empty_database: str, tmp_path: Path
    ) -> None:
        with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
            starts = [auth_server(empty_database, tmp_path) for _ in range(3)]
            replicas = list(pool.map(stack.enter_context, starts))

            key_sets = [httpx2.get(r.url + "/oauth2/jwks").json() for r in replicas]
            assert key_sets[0] == key_sets[1] == key_sets[2]
            assert len(key_sets[0]["keys"]) == 1
            with httpx2.Client(base_url=replicas[0].url) as first:
                token = register(first, "ursula").json()["token"]
            with httpx2.Client(base_url=replicas[2].url) as third:
                assert verified_claims(third, token)["username"] == "ursula"
                assert log_in(third, "ursula").status_code == 200

    def test_the_tables_are_brought_up_to_date_once(
        self, empty_database: str, tmp_path: Path
    ) -> None:
        refused, said = run_auth(
            empty_database, tmp_path, LEAKY_AUTH_MIGRATE_AT_START="false", LEAKY_AUTH_PORT="1"
        )
        assert refused == 78
        assert "python -m auth migrate" in said

        assert run_auth(empty_database, tmp_path, "migrate") == (
            0,
            "applied 0001.users-and-signing-keys\n",
        )
        assert run_auth(empty_database, tmp_path, "migrate") == (0, "nothing to apply\n")

    def test_readiness_follows_the_database(self, empty_database: str, tmp_path: Path) -> None:
        name = psycopg.conninfo.conninfo_to_dict(empty_database)["dbname"]
        with auth_server(empty_database, tmp_path) as server:
            assert httpx2.get(server.url + "/health/ready").json() == {"status": "UP"}
            maintenance = psycopg.conninfo.make_conninfo(empty_database, dbname="postgres")
            with psycopg.connect(maintenance, autocommit=True) as connection:
                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )
                answer = httpx2.get(server.url + "/health/ready", timeout=10)
                assert answer.status_code == 503
                assert answer.json()["status"] == "DOWN"
                assert set(answer.json()["checks"]) == {"postgres"}
                with httpx2.Client(base_url=server.url, timeout=15) as client:
                    refused = log_in(client, "nobody")
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
                assert refused.headers["retry-after"] == "1"

                connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
                deadline = time.monotonic() + 30
                while httpx2.get(server.url + "/health/ready", timeout=10).status_code != 200:
                    assert time.monotonic() < deadline, server.log()
                    time.sleep(0.1)

    def test_two_workers_answer_behind_one_port(self, empty_database: str, tmp_path: Path) -> None:
        with auth_server(empty_database, tmp_path, LEAKY_AUTH_WORKERS="2") as server:
            with httpx2.Client(base_url=server.url, timeout=30) as client:
                assert register(client, "vera").status_code == 201
            sessions = [
                httpx2.post(
                    server.url + "/api/v1/auth/login",
                    json={"username": "vera", "password": PASSWORD},
                    timeout=30,
                )
                for _ in range(6)
            ]
            assert {answer.status_code for answer in sessions} == {200}
            text = httpx2.get(server.url + "/metrics").text
            assert (
                'auth_login_total{application="auth",outcome="success",reason="none"} 6.0' in text
            )
            json.loads(server.log().splitlines()[0])
            assert server.terminate() == 0
