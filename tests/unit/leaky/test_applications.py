"""Which processes `leaky run` starts, and on which ports."""

import socket

import pytest

from leaky.applications import ApplicationPlan, ApplicationPorts, plan_applications

_ANY = {
    f"{name}_port": 0
    for name in ("gateway", "gateway_alias", "auth", "qwen", "gemini", "openai", "metrics")
}


def _plan(accounts_processes: int = 1, **ports: int) -> ApplicationPlan:
    return plan_applications(accounts_processes, ApplicationPorts.model_validate({**_ANY, **ports}))


def test_the_gateway_stops_first_and_what_it_waits_for_after_it() -> None:
    names = [application.program.name for application in _plan(2).in_stopping_order]
    assert names == ["gateway", "accounts-0", "accounts-1", "auth", "qwen", "gemini", "openai"]


def test_a_port_that_is_taken_is_replaced_and_remembered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = _plan(gateway_port=port).in_stopping_order[0]
    assert gateway.port != port
    assert gateway.moved_from == port


def test_port_0_takes_any_and_is_not_called_taken() -> None:
    assert all(application.port for application in _plan(2).in_stopping_order)
    assert {application.moved_from for application in _plan(2).in_stopping_order} == {None}


def test_the_second_port_of_the_gateway_can_be_turned_off() -> None:
    assert "LEAKY_GATEWAY_ALIAS_PORT" not in _plan(gateway_alias_port=0).settings
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert _plan(gateway_alias_port=port).settings["LEAKY_GATEWAY_ALIAS_PORT"] == str(port)


def test_ports_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKY_AUTH_PORT", "18081")
    assert ApplicationPorts.load().by_variable()["LEAKY_AUTH_PORT"] == 18_081
