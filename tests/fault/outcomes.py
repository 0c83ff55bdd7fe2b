"""What must be true of every command of a load, whatever happened to the processes."""

import time
from collections import defaultdict
from hashlib import sha256

from leaky.asking import Asker
from schemas.commands import Query
from tests.e2e.proof import Event, committed_events, require_verified
from tests.fault.command_load import PROVIDER, CommandLoad
from tests.integration.accounts_system import AccountsSystem

_COMMITTED_WITHIN_S = 60.0
_ALLOWANCE_TOKENS = 100_000


def require_one_outcome_each(system: AccountsSystem, load: CommandLoad) -> None:
    """Each command: one committed event with its id and its reply's digest, and equal replies.

    Beyond them nothing: no account has an event of another command, none was charged a token more
    or less than was granted, and `leaky verify` finds every event as the log says. Needs a process
    that decides, and a load that is finished.
    """
    events = _decided_events(system, load)
    assert set(events) == set(load.sent_at)
    assert {each: found for each, found in events.items() if len(found) != 1} == {}
    unlike = {
        command_id
        for command_id, (event,) in events.items()
        if {sha256(answer).hexdigest() for answer in load.answers[command_id]}
        != {event["seal"]["replyDigest"]}
    }
    assert unlike == set()
    _require_balances(system, load)
    report = require_verified(system.settings)
    assert report.commands >= len(load.sent_at)


def answered_more_than_once(load: CommandLoad) -> int:
    """How many commands got their (equal) reply again, since they were decided again."""
    return sum(len(answers) > 1 for answers in load.answers.values())


def _decided_events(system: AccountsSystem, load: CommandLoad) -> dict[str, list[Event]]:
    """By command id: the account events that carry a reply's digest, once all are committed."""
    deadline = time.monotonic() + _COMMITTED_WITHIN_S
    while True:
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in committed_events(system.settings):
            if event.get("account") and "replyDigest" in event["seal"]:
                found[event["commandId"]].append(event)
        missing = len(load.sent_at.keys() - found.keys())
        if not missing:
            return found
        late = time.monotonic() > deadline
        assert not late, f"{missing} of {len(load.sent_at)} commands have no committed event"


def _require_balances(system: AccountsSystem, load: CommandLoad) -> None:
    spent = {}
    with Asker(system.settings) as asker:
        for account in load.accounts:
            command_id = f"balance of {account}".replace(" ", "-")
            reply = asker.ask(Query(command_id=command_id, account=account, provider=PROVIDER))
            assert reply.reading is not None
            quota = reply.reading.providers[0].quota
            assert quota.held_tokens == 0
            spent[account] = _ALLOWANCE_TOKENS - quota.remaining_tokens
    assert spent == {account: load.spent[account] for account in load.accounts}
