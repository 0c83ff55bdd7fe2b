"""The accounts process dies by SIGKILL in the middle of its work, and is started again at once."""

import shutil
import time
from collections.abc import Callable

import pytest

from tests.fault.accounts_process import accounts_process, state_folder
from tests.fault.command_load import CommandLoad
from tests.fault.outcomes import answered_more_than_once, require_one_outcome_each
from tests.integration.accounts_system import AccountsSystem

COMMANDS = 6_000
RATE_PER_S = 500
ANSWERING_AGAIN_WITHIN_S = 60.0
"""Generous: 6 s is what a machine must do that has nothing else to do."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("state", ["kept", "wiped"])
def test_every_command_gets_one_outcome_though_the_accounts_process_is_killed(
    system: AccountsSystem, state: str, record_property: Callable[[str, object], None]
) -> None:
    with accounts_process(system) as first, CommandLoad(system, COMMANDS, RATE_PER_S) as load:
        load.wait_for_answers(1_000)
        first.process.kill()
        killed_at = time.monotonic()
        first.process.wait()
        if state == "wiped":
            shutil.rmtree(state_folder(system))
        with accounts_process(system):
            seconds = load.wait_until_answering_again(since_s=killed_at)
            load.wait_for_answers(500)
            load.finish()
            require_one_outcome_each(system, load)
    record_property("answering again after seconds", round(seconds, 1))
    record_property("answered more than once", answered_more_than_once(load))
    assert seconds < ANSWERING_AGAIN_WITHIN_S
