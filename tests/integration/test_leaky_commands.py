"""The administrator's commands, on a running accounts pipeline."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.accounts_system import AccountsSystem, create_system, running_pipeline
from tests.servers import Servers


@pytest.fixture(scope="module")
def system(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountsSystem]:
    """A system whose accounts pipeline runs; its whole log is verified at the end."""
    system = create_system(servers.kafka_bootstrap_servers, tmp_path_factory.mktemp("system"))
    with running_pipeline(system):
        yield system
        done = system.leaky("verify")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def account() -> str:
    """An account that nobody has asked for yet."""
    return f"user:{uuid.uuid4()}"


def _ok(system: AccountsSystem, *arguments: str, stdin: str | None = None) -> str:
    done = system.leaky(*arguments, stdin=stdin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _refused(system: AccountsSystem, *arguments: str, stdin: str | None = None) -> str:
    done = system.leaky(*arguments, stdin=stdin)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def _consume(account: str, tokens: int, command_id: str) -> dict[str, object]:
    return {
        "type": "consume",
        "commandId": command_id,
        "account": account,
        "provider": "openai",
        "tokens": tokens,
    }


def test_tier_status_and_limits_are_set_and_shown(system: AccountsSystem, account: str) -> None:
    _ok(system, "accounts", "set-tier", account, "PRO")
    _ok(system, "accounts", "set-status", account, "suspended", "--reason", "unpaid")
    rules = [{"kind": "leaky-bucket", "name": "tokens", "capacity": 50, "amount": 5}]
    arguments = ("accounts", "set-limits", account, "-", "--provider", "openai")
    _ok(system, *arguments, stdin=json.dumps(rules))
    shown = _ok(system, "accounts", "show", account, "--provider", "openai")
    assert "tier PRO, suspended" in shown
    assert "0 used of 50 tokens" in shown
    reading = json.loads(_ok(system, "accounts", "show", account, "--json"))["reading"]
    assert [each["provider"] for each in reading["providers"]] == ["gemini", "openai", "qwen"]
    _ok(system, "accounts", "set-tier", account, "--default")
    assert "tier FREE" in _ok(system, "accounts", "show", account)


def test_an_unknown_tier_is_refused_with_those_that_there_are(
    system: AccountsSystem, account: str
) -> None:
    said = _refused(system, "accounts", "set-tier", account, "GOLD")
    assert said == (
        "Error: the accounts pipeline answered unknown-tier: the policy has no tier GOLD; it has "
        "ADMIN, ENTERPRISE, FREE, ORG, PRO\n"
    )


def test_produced_commands_are_answered_and_explained(system: AccountsSystem, account: str) -> None:
    first, second, third = (f"{name}-{uuid.uuid4().hex}" for name in ("a", "b", "c"))
    array = [_consume(account, 900, second), _consume(account, 1, third)]
    lines = f"{json.dumps(_consume(account, 400, first))}\n\n{json.dumps(array)}\n"
    answered = _ok(system, "produce", "--wait", stdin=lines)
    outcomes = {
        reply["commandId"]: reply["outcome"] for reply in map(json.loads, answered.splitlines())
    }
    assert outcomes == {first: "granted", second: "rate-limited", third: "granted"}

    denial = _ok(system, "explain", second, "--account", account, "--since", "1h")
    assert denial.startswith(f"consume denied: rate-limited for {second} at ")
    assert "refused by tokens (rate-limited): 900 asked" in denial
    assert "policy version" in denial
    grant = _ok(system, "explain", first)
    assert "0 → 400 of 1,000 tokens" in grant
    assert "99,600 of 100,000 tokens remain" in grant


def test_a_command_without_events_cannot_be_explained(system: AccountsSystem) -> None:
    assert "no event names the command nobody" in _refused(system, "explain", "nobody")


def test_lines_that_are_no_commands_are_not_sent_unless_asked_for(system: AccountsSystem) -> None:
    said = _refused(system, "produce", stdin='{"type": "transfer"}')
    assert "0 records sent" in said
    assert "line 1 is not sent: expected a type of" in said
    elsewhere = [_consume(f"user:{uuid.UUID(int=number)}", 1, f"{number}") for number in range(9)]
    assert "expected one and the same" in _refused(system, "produce", stdin=json.dumps(elsewhere))
    unheard_of = json.dumps({"type": "transfer", "note": "[as it is]"})
    answered = _ok(system, "produce", "--unchecked", "--wait", stdin=unheard_of)
    assert json.loads(answered)["outcome"] == "malformed"


def test_dead_letters_are_listed_by_reason_and_shown_whole(system: AccountsSystem) -> None:
    note = uuid.uuid4().hex
    _ok(system, "produce", "--unchecked", "--wait", stdin=json.dumps({"type": "t", "note": note}))
    _ok(system, "produce", "--unchecked", "--wait", stdin=json.dumps({"type": "t", "note": 2}))
    arguments = ("dead-letters", "list", "--reason", "unknown-type", "--since", "1h")
    shown = ""
    while note not in shown:  # a dead letter becomes visible with the checkpoint
        for line in _ok(system, *arguments, "--json").splitlines():
            shown = _ok(system, "dead-letters", "show", json.loads(line)["id"])
            if note in shown:
                break
    assert "origin: accounts.commands[" in shown
    assert "unknown-type" in _ok(system, *arguments, "--limit", "1")
    assert "0 dead letters" in _ok(system, "dead-letters", "list", "--reason", "oversized")
    assert "there is no dead letter 0/999999" in _refused(
        system, "dead-letters", "show", "0/999999"
    )


def test_a_policy_is_shown_changed_and_published_to_every_partition(
    system: AccountsSystem, account: str
) -> None:
    document = json.loads(_ok(system, "policy", "show"))
    changed = {**document, "holdTtlMs": 5_000}
    said = _refused(system, "policy", "publish", "-", stdin=json.dumps(changed))
    assert f"expected a version above {document['version']}" in said
    changed["version"] += 1
    _ok(system, "policy", "publish", "-", stdin=json.dumps(changed))
    assert json.loads(_ok(system, "policy", "show")) == changed
    command = _consume(account, 1, uuid.uuid4().hex)
    reply = json.loads(_ok(system, "produce", "--wait", stdin=json.dumps(command)))
    assert reply["policyVersion"] == changed["version"]
    assert "is no policy" in _refused(system, "policy", "publish", "-", stdin='{"name": 1}')
