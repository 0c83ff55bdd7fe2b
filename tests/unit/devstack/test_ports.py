"""Ports: the wanted ones where they are free."""

import socket

from devstack.ports import LOOPBACK, choose_ports, free_port, is_free


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as listening:
        assert not is_free(listening.getsockname()[1])


def test_a_wanted_port_is_chosen_if_it_is_free() -> None:
    wanted = free_port()
    assert choose_ports({"sql": wanted}) == {"sql": wanted}


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.create_server((LOOPBACK, 0)) as listening:
        taken = listening.getsockname()[1]
        chosen = choose_ports({"sql": taken})["sql"]
    assert chosen != taken
    assert is_free(chosen)


def test_no_port_is_chosen_twice() -> None:
    wanted = free_port()
    chosen = choose_ports({"broker": wanted, "controller": wanted, "metrics": 0})
    assert len(set(chosen.values())) == 3
