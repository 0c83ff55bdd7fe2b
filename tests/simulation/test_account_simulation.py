"""Whole accounts, step by step: what the product decides is what the rules page says.

The machine gives product and reference the same commands at the same times, and compares answers,
events and readings after every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.base import Message
from schemas.commands import AccountCommand, Admission, Reserve, Settle, Void
from schemas.limits import Unit
from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from tests.simulation import strategies
from tests.simulation.comparison import Pair
from tests.simulation.product import ProductPartition
from tests.simulation.strategies import REPLY_TO

pytestmark = pytest.mark.timeout(900)  # making a failing example small takes minutes

Item = TypeVar("Item")
Asked = TypeVar("Asked", bound=Message)

picks = st.integers(0, 30)
"""Which of those that there are, counted from the latest."""


@dataclass(frozen=True)
class MadeHold:
    """A hold that a reserve made, by the id that the product gave it."""

    account: str
    id: str
    tokens: int


class AccountSimulation(RuleBasedStateMachine):
    """Two accounts of one partition, one of them busier, under policies that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(strategies.ACCOUNTS, ProductPartition())
        self.now_ms = 0
        self.numbers = 0
        self.policy_version = 1
        self.holds: list[MadeHold] = []
        self.commands: list[AccountCommand] = []
        """Commands whose ids may be remembered."""
        self.retry_instants: list[int] = []

    @initialize(policy=strategies.policies(version=1), start_ms=st.integers(0, 100_000))
    def begin(self, policy: PolicyDocument, start_ms: int) -> None:
        self.now_ms = start_ms
        self.pair.publish(policy, self.now_ms)

    # Admission

    @rule(command=strategies.admissions)
    def ask(self, command: Admission) -> None:
        self.give(self.numbered(command))

    @rule(command=strategies.admissions, more=st.integers(-1, 1))
    def ask_for_what_is_left(self, command: Admission, more: int) -> None:
        tokens = max(1, self.tokens_left(command.account, command.provider) + more)
        self.give(self.numbered(command.model_copy(update={"tokens": tokens})))

    @rule(commands=st.lists(strategies.admissions, min_size=2, max_size=4))
    def ask_several_in_one_record(self, commands: list[Admission]) -> None:
        self.give(*(self.numbered(command) for command in commands))

    # Holds

    @precondition(lambda self: self.holds)
    @rule(pick=picks, tokens=strategies.settled_tokens, stranger=strategies.rarely)
    def settle(self, pick: int, tokens: strategies.SettledTokens, stranger: bool) -> None:
        hold = picked(self.holds, pick)
        command = Settle(
            command_id="not-numbered",
            reply_to=REPLY_TO,
            account=other_than(hold.account) if stranger else hold.account,
            hold_id=hold.id,
            tokens=tokens.of(hold.tokens),
        )
        self.give(self.numbered(command))

    @precondition(lambda self: self.holds)
    @rule(pick=picks, stranger=strategies.rarely)
    def void(self, pick: int, stranger: bool) -> None:
        hold = picked(self.holds, pick)
        command = Void(
            command_id="not-numbered",
            reply_to=REPLY_TO,
            account=other_than(hold.account) if stranger else hold.account,
            hold_id=hold.id,
        )
        self.give(self.numbered(command))

    # Administration

    @rule(command=strategies.balance_moves)
    def move_the_balance(self, command: AccountCommand) -> None:
        self.give(self.numbered(command))

    @rule(change=strategies.administrations)
    def administer(self, change: AccountCommand | PolicyDocument) -> None:
        if isinstance(change, PolicyDocument):
            self.policy_version += 1
            newer = change.model_copy(update={"version": self.policy_version})
            self.pair.publish(newer, self.now_ms)
        else:
            self.give(self.numbered(change))

    # Repeats

    @precondition(lambda self: self.commands)
    @rule(pick=picks, other_payload=strategies.rarely)
    def repeat(self, pick: int, other_payload: bool) -> None:
        command = picked(self.commands, pick)
        changes = {"actor": "somebody else"} if other_payload else {}
        self.give(command.model_copy(update=changes))

    # Time

    @rule(ms=st.sampled_from([0, 1, 2, 10, 99, 500, 1000, 60_000, 86_400_000]))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule(pick=picks, more=st.integers(-1, 1))
    def wait_for_something(self, pick: int, more: int) -> None:
        instants = {
            instant + more
            for account in self.pair.accounts.values()
            for instant in account.instants_of_interest(self.now_ms)
        }
        instants.update(instant + more for instant in self.retry_instants)
        later = sorted(instant for instant in instants if instant > self.now_ms)
        if later:
            self.now_ms = later[pick % len(later)]

    @rule()
    def tick(self) -> None:
        self.pair.tick(self.now_ms)

    # What holds after every step

    @invariant()
    def readings_are_equal(self) -> None:
        self.pair.check_readings(self.now_ms)

    def teardown(self) -> None:
        """The log alone gives the same events again, byte for byte."""
        again = ProductPartition()
        for record in self.pair.product.log:
            again.apply(record)
        assert again.published == self.pair.product.published

    # Wording

    def give(self, *commands: AccountCommand) -> None:
        """Give both sides a record; keep what later steps come back to."""
        before = self.pair.copied() if len(commands) == 1 else None
        answers = self.pair.decide(commands, self.now_ms)
        for command, answer in zip(commands, answers, strict=True):
            if not isinstance(command, Settle | Void) and command not in self.commands:
                self.commands.append(command)
            if isinstance(command, Reserve) and answer.outcome is Outcome.GRANTED:
                self.keep_hold(command, answer.hold_id)
            if answer.retry_after_ms is not None:
                self.retry_instants.append(self.now_ms + answer.retry_after_ms)
                if before is not None:
                    before.check_denial(command, answer.retry_after_ms, self.now_ms)

    def keep_hold(self, command: Reserve, named: str | None) -> None:
        [hold_id] = [product for product, name in self.pair.hold_names.items() if name == named]
        hold = MadeHold(command.account, hold_id, command.tokens)
        if hold not in self.holds:
            self.holds.append(hold)

    def numbered(self, command: Asked) -> Asked:
        """The command with an id of its own."""
        self.numbers += 1
        return command.model_copy(update={"command_id": f"command-{self.numbers}"})

    def tokens_left(self, account: str, provider: str) -> int:
        """How many tokens the reference would just admit now."""
        twin = self.pair.accounts[account].copied()
        twin.close_expired(self.now_ms)
        reading = twin.reading(provider, self.now_ms)
        free = [
            (terms.capacity_milli - reading.used_milli[terms.name]) // 1000
            for terms in twin.limit_terms(provider)
            if terms.unit is Unit.TOKENS
        ]
        return min([reading.remaining_tokens, *free])


def other_than(account: str) -> str:
    return next(other for other in strategies.ACCOUNTS if other != account)


def picked(items: Sequence[Item], pick: int) -> Item:
    return items[-1 - pick % len(items)]


TestTheProductDecidesAsTheRulesSay = AccountSimulation.TestCase
TestTheProductDecidesAsTheRulesSay.settings = settings(
    max_examples=200,
    stateful_step_count=50,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
