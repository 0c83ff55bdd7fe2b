"""An accounts process stands still for longer than its session, and wakes up."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.fault.accounts_process import accounts_process
from tests.fault.command_load import CommandLoad
from tests.fault.outcomes import answered_more_than_once, require_one_outcome_each
from tests.integration.accounts_system import AccountsSystem

COMMANDS = 6_000
RATE_PER_S = 100
TAKEN_OVER_WITHIN_S = 60.0
"""Generous: 15 s is what a machine must do that has nothing else to do."""


@pytest.mark.timeout(300)
def test_a_process_that_sleeps_past_its_session_is_replaced_and_ends_when_it_wakes(
    system: AccountsSystem, record_property: Callable[[str, object], None]
) -> None:
    with (
        accounts_process(system, slot=0) as sleeper,
        accounts_process(system, slot=1),
        CommandLoad(system, COMMANDS, RATE_PER_S) as load,
    ):
        load.wait_for_answers(300)
        sleeper.process.send_signal(signal.SIGSTOP)
        seconds = load.wait_until_answering_again(since_s=time.monotonic())
        sleeper.process.send_signal(signal.SIGCONT)
        assert sleeper.process.wait(60) == 1, sleeper.log()
        load.wait_for_answers(200)
        load.finish()
        require_one_outcome_each(system, load)
    record_property("taken over after seconds", round(seconds, 1))
    record_property("answered more than once", answered_more_than_once(load))
    assert seconds < TAKEN_OVER_WITHIN_S
