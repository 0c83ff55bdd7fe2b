"""The auth server as a process on a real PostgreSQL: registration, log-in, keys, restarts."""

import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
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
from tests.service_process import ServiceProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auth")


@pytest.fixture(scope="module")
def server(fresh_database: str, folder: Path) -> Iterator[ServiceProcess]:
    with auth_server(fresh_database, folder) as server:
        yield server


@pytest.fixture
def client(server: ServiceProcess) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


def test_a_registered_user_is_logged_in_with_a_token_that_verifies(client: httpx2.Client) -> None:
    answer = register(client, "  grace  ", "  grace@b.example ")

    assert answer.status_code == 201
    session = answer.json()
    assert set(session) == {"userId", "username", "email", "token", "expiresAt", "roles"}
    assert (session["username"], session["email"]) == ("grace", "grace@b.example")
    assert session["roles"] == ["USER"]
    claims = verified_claims(client, session["token"])
    assert claims["sub"] == session["userId"] == session["userId"].lower()
    assert (claims["username"], claims["roles"]) == ("grace", ["USER"])
    assert session["expiresAt"].endswith("Z")
    assert datetime.fromisoformat(session["expiresAt"]).timestamp() == claims["exp"]
    lifetime_s = claims["exp"] - datetime.now(UTC).timestamp()
    assert 3500 < lifetime_s <= 3600


def test_log_in_gives_the_same_user_a_new_token_whatever_the_case(client: httpx2.Client) -> None:
    registered = register(client, "Hedy").json()

    answer = log_in(client, " HEDY ")

    assert answer.status_code == 200
    session = answer.json()
    assert session["userId"] == registered["userId"]
    assert session["username"] == "Hedy"
    assert session["roles"] == ["USER"]
    assert session["token"] != registered["token"]
    assert verified_claims(client, session["token"])["sub"] == registered["userId"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ida", "email": "ida@b.example"},
        {"username": "  ", "email": "ida@b.example", "password": PASSWORD},
        {"username": "ida", "email": None, "password": PASSWORD},
        {"username": "ida", "email": "ida@b.example", "password": " "},
    ],
)
def test_an_incomplete_registration_is_refused(client: httpx2.Client, body: dict[str, str]) -> None:
    answer = client.post("/api/v1/auth/register", json=body)

    assert answer.status_code == 400
    assert answer.json()["message"] == "username, email, and password are required"
    assert answer.json()["code"] == "registration-incomplete"


def test_names_and_addresses_are_unique_in_any_case_and_the_name_is_told_first(
    client: httpx2.Client,
) -> None:
    assert register(client, "Joan").status_code == 201

    both = register(client, "JOAN", "joan@B.example")
    name = register(client, "joan", "other@b.example")
    address = register(client, "other", "JOAN@b.example")

    assert [a.status_code for a in (both, name, address)] == [400] * 3
    assert both.json()["message"] == name.json()["message"] == "username already exists"
    assert address.json()["message"] == "email already exists"


def test_the_same_registration_sent_ten_times_at_once_makes_one_user(
    client: httpx2.Client,
) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: register(client, "karen"), range(10)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] + [400] * 9
    refused = {answer.json()["message"] for answer in answers if answer.status_code == 400}
    assert refused == {"username already exists"}


@pytest.mark.parametrize(
    ("username", "email", "password", "code"),
    [
        ("ab", "x@b.example", PASSWORD, "invalid-username"),
        ("lise", "nonsense", PASSWORD, "invalid-email"),
        ("lise", "lise@b.example", "short", "invalid-password"),
        ("lise", "lise@b.example", "p" * 129, "invalid-password"),
    ],
)
def test_unusable_values_are_refused(
    client: httpx2.Client, username: str, email: str, password: str, code: str
) -> None:
    answer = register(client, username, email, password)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_log_in_needs_both_fields(client: httpx2.Client) -> None:
    for body in ({}, {"username": "grace"}, {"password": PASSWORD}):
        answer = client.post("/api/v1/auth/login", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "login-incomplete")


@pytest.mark.parametrize("username", ["marie", "nobody", "no\0body"])
def test_an_unknown_user_and_a_wrong_password_look_alike(
    client: httpx2.Client, username: str
) -> None:
    register(client, "marie")

    answer = log_in(client, username, "wrong password")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    document = answer.json()
    assert document["message"] == document["detail"] == "invalid credentials"
    assert document["code"] == "invalid-credentials"


def test_text_that_no_database_takes_is_a_client_error(client: httpx2.Client) -> None:
    lone_surrogate = b'{"username": "\\ud800aa", "password": "\\ud800bbbbbbbb"}'

    answer = client.post("/api/v1/auth/login", content=lone_surrogate)

    assert answer.status_code in (400, 401)


def test_the_key_set_is_cacheable_and_public(client: httpx2.Client) -> None:
    answer = client.get("/oauth2/jwks")

    assert answer.headers["cache-control"] == "max-age=300, public"
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_outcomes_are_counted_with_their_reasons(client: httpx2.Client) -> None:
    register(client, "noether")
    log_in(client, "noether")
    log_in(client, "noether", "wrong password")
    register(client, "noether")

    text = client.get("/metrics").text

    for sample in (
        'auth_register_total{application="auth",outcome="success",reason="none"}',
        'auth_register_total{application="auth",outcome="failure",reason="username-taken"}',
        'auth_login_total{application="auth",outcome="success",reason="none"}',
        'auth_login_total{application="auth",outcome="failure",reason="invalid-credentials"}',
    ):
        assert sample in text
    assert "noether" not in text


def test_passwords_and_tokens_are_not_logged_even_at_debug_level(
    server: ServiceProcess, client: httpx2.Client, fresh_database: str
) -> None:
    secret = "unmistakable-passphrase"
    token = register(client, "olga", password=secret).json()["token"]
    log_in(client, "olga", secret)
    client.post("/api/v1/auth/login", json={"username": 7, "password": secret})
    client.post("/api/v1/auth/login", content=f'{{"password": "{secret}"'.encode())
    client.get("/oauth2/jwks", headers={"Authorization": f"Bearer {token}"})

    log = server.log()
    assert "registered a user" in log
    assert secret not in log
    assert token not in log
    assert "eyJ" not in log
    assert "PRIVATE KEY" not in log
    with psycopg.connect(fresh_database) as connection:
        rows = connection.execute("SELECT u::text FROM users u").fetchall()
        keys = connection.execute(
            "SELECT encode(private_key_encrypted, 'escape') FROM signing_keys"
        ).fetchall()
    assert secret not in str(rows)
    assert "$argon2id$" in str(rows)
    assert "PRIVATE KEY" not in str(keys)


def test_tokens_outlive_a_restart(fresh_database: str, folder: Path, client: httpx2.Client) -> None:
    token = register(client, "rosalind").json()["token"]

    with (
        auth_server(fresh_database, folder) as restarted,
        httpx2.Client(base_url=restarted.url) as other,
    ):
        assert verified_claims(other, token)["username"] == "rosalind"
        assert other.get("/oauth2/jwks").json() == client.get("/oauth2/jwks").json()


def test_another_key_encryption_key_ends_the_start_with_78(
    server: ServiceProcess, fresh_database: str, folder: Path
) -> None:
    del server  # it made the signing key
    code, said = run_auth(fresh_database, folder / "elsewhere")

    assert code == 78
    assert "encrypted with another key" in said


def test_an_administrator_is_made_and_a_user_promoted(
    fresh_database: str, folder: Path, client: httpx2.Client
) -> None:
    make = ("create-admin", "--username", "root", "--email", "root@b.example")

    made, said = run_auth(fresh_database, folder, *make, LEAKY_ADMIN_PASSWORD=PASSWORD)
    again, complaint = run_auth(fresh_database, folder, *make, LEAKY_ADMIN_PASSWORD=PASSWORD)

    assert made == 0, said
    assert PASSWORD not in said
    assert again == 1
    assert "username already exists" in complaint
    assert log_in(client, "root").json()["roles"] == ["ADMIN", "USER"]

    register(client, "sophie")
    promoted, said = run_auth(
        fresh_database, folder, "create-admin", "--username", "Sophie", "--promote"
    )
    assert promoted == 0, said
    session = log_in(client, "sophie").json()
    assert session["roles"] == ["ADMIN", "USER"]
    assert verified_claims(client, session["token"])["roles"] == ["ADMIN", "USER"]

    unknown, complaint = run_auth(
        fresh_database, folder, "create-admin", "--username", "nobody", "--promote"
    )
    assert unknown == 1
    assert "there is no user nobody" in complaint


def test_bad_settings_end_the_start_with_78_and_a_clear_sentence(folder: Path) -> None:
    code, said = run_auth("postgresql://nowhere", folder, LEAKY_AUTH_PORT="ninety")

    assert code == 78
    assert "LEAKY_AUTH_PORT" in said
    assert "'ninety' came" in said


def test_a_stop_answers_log_ins_in_flight(fresh_database: str, folder: Path) -> None:
    with (
        auth_server(fresh_database, folder, LEAKY_AUTH_PASSWORD_THREADS="1") as server,
        httpx2.Client(base_url=server.url, timeout=30) as client,
        ThreadPoolExecutor(6) as pool,
    ):
        register(client, "tabei")
        answers = [pool.submit(log_in, client, "tabei") for _ in range(6)]
        # One is answered and the others are queued behind the only hashing thread.
        wait(answers, timeout=30, return_when=FIRST_COMPLETED)

        server.process.send_signal(signal.SIGTERM)

        assert {answer.result(timeout=30).status_code for answer in answers} == {200}
        assert server.process.wait(30) == 0
