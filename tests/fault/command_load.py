"""Commands at a steady rate, written to Kafka directly, and their replies as they come."""

import json
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.commands import AccountCommand, Consume, Reserve, Settle
from schemas.outcomes import Outcome
from schemas.replies import Reply
from tests.integration.accounts_system import PARTITIONS, AccountsSystem
from topics.partitioning import partition_of_account
from topics.registry import ACCOUNTS_COMMANDS, REPLIES
from topics.sending import durable_producer

ACCOUNTS = 60
PROVIDER = "openai"
SETTLED_TOKENS = 3

_ANSWERED_WITHIN_S = 90.0
_POLL_S = 0.05
_MORE_THAN_A_BUCKET_HOLDS = 5_000


class CommandLoad:
    """Sends at most `commands`, `rate_per_s` of them a second, until told to stop.

    Seven of ten consume one token, two reserve five (and three are settled as soon as the reply
    names the hold), one asks for more than can ever pass. Every command asks for a reply. Use it
    with `with`: it runs from the beginning of the block.
    """

    def __init__(self, system: AccountsSystem, commands: int, rate_per_s: int) -> None:
        settings = system.settings
        self.accounts = [f"user:{uuid.uuid4()}" for _ in range(ACCOUNTS)]
        self.sent_at: dict[str, float] = {}
        """By command id: when it was handed to the producer (monotonic seconds)."""
        self.answers: defaultdict[str, list[bytes]] = defaultdict(list)
        """By command id: every reply's value, in the order of their arrival."""
        self.spent: Counter[str] = Counter()
        """By account: the tokens that are charged once all is answered."""
        self._answered_at: dict[str, float] = {}
        self._partition_of: dict[str, int] = {}
        self._commands = commands
        self._rate_per_s = rate_per_s
        self._topic = ACCOUNTS_COMMANDS.name_on_broker(system.prefix)
        self._producer = durable_producer(settings)
        self._consumer = Consumer(
            {
                "bootstrap.servers": system.bootstrap_servers,
                "group.id": "load",  # required, and never joined
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
            }
        )
        replies = REPLIES.name_on_broker(system.prefix)
        self._consumer.assign(
            [TopicPartition(replies, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
        )
        self._sending_ends = threading.Event()
        self._listening_ends = threading.Event()
        self._failures: list[BaseException] = []
        self._sender = threading.Thread(target=self._noting_failures, args=(self._send_all,))
        self._listener = threading.Thread(target=self._noting_failures, args=(self._listen,))

    def __enter__(self) -> Self:
        self._sender.start()
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sending_ends.set()
        self._listening_ends.set()
        self._sender.join()
        self._listener.join()
        self._consumer.close()

    def wait_for_answers(self, count: int) -> None:
        """Return when `count` more commands than now have been answered."""
        enough = len(self._answered_at) + count
        self._wait(lambda: len(self._answered_at) >= enough, f"{count} more answers")

    def wait_until_answering_again(self, since_s: float) -> float:
        """Seconds from `since_s` (monotonic) until every partition answered a later command."""

        def firsts() -> dict[int, float]:
            found: dict[int, float] = {}
            for command_id, arrived_at in self._answered_at.copy().items():
                if self.sent_at[command_id] >= since_s:
                    partition = self._partition_of[command_id]
                    found[partition] = min(arrived_at, found.get(partition, arrived_at))
            return found

        self._wait(lambda: len(firsts()) == PARTITIONS, "an answer from every partition")
        return max(firsts().values()) - since_s

    def finish(self) -> None:
        """Send nothing more, and return when every command has been answered."""
        self._sending_ends.set()
        self._sender.join()
        assert self._producer.flush(_ANSWERED_WITHIN_S) == 0
        self._wait(self._all_is_answered, "answers to all")

    def _all_is_answered(self) -> bool:
        # Reserves that were answered are followed by settles: those are sent before the note.
        return len(self._answered_at) == len(self.sent_at)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _ANSWERED_WITHIN_S
        while not condition():
            assert not self._failures, self._failures
            late = time.monotonic() > deadline
            assert not late, f"{what}: {len(self._answered_at)} of {len(self.sent_at)} answered"
            time.sleep(_POLL_S)

    def _noting_failures(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
            raise

    def _send_all(self) -> None:
        began = time.monotonic()
        for number in range(self._commands):
            due = began + number / self._rate_per_s
            if self._sending_ends.wait(max(0.0, due - time.monotonic())):
                return
            self._send(self._command(number))

    def _command(self, number: int) -> AccountCommand:
        account = self.accounts[number % ACCOUNTS]
        command_id, reply_to = f"c{number}", f"{REPLIES.name}/{number % PARTITIONS}"
        tokens = 1
        if number % 10 in (3, 6):
            return Reserve(
                command_id=command_id,
                reply_to=reply_to,
                account=account,
                provider=PROVIDER,
                tokens=5,
            )
        if number % 10 == 9:
            tokens = _MORE_THAN_A_BUCKET_HOLDS
        else:
            self.spent[account] += tokens
        return Consume(
            command_id=command_id,
            reply_to=reply_to,
            account=account,
            provider=PROVIDER,
            tokens=tokens,
        )

    def _send(self, command: AccountCommand) -> None:
        partition = partition_of_account(command.account, PARTITIONS)
        self._partition_of[command.command_id] = partition
        self.sent_at[command.command_id] = time.monotonic()
        self._producer.produce(self._topic, command.to_json(), command.account.encode(), partition)
        self._producer.poll(0)

    def _listen(self) -> None:
        while not self._listening_ends.is_set():
            for message in self._consumer.consume(500, _POLL_S):
                assert message.error() is None, message.error()
                self._note(message.value() or b"")

    def _note(self, value: bytes) -> None:
        command_id = json.loads(value)["commandId"]
        if command_id not in self.sent_at:
            return  # the policy's
        self.answers[command_id].append(value)
        if command_id in self._answered_at:
            return
        reply = Reply.model_validate_json(value)
        if reply.command == "reserve" and reply.outcome is Outcome.GRANTED:
            assert reply.hold is not None
            assert reply.account is not None
            self.spent[reply.account] += SETTLED_TOKENS
            self._send(
                Settle(
                    command_id=f"{command_id}.settle",
                    reply_to=f"{REPLIES.name}/0",
                    account=reply.account,
                    hold_id=reply.hold.id,
                    tokens=SETTLED_TOKENS,
                )
            )
        self._answered_at[command_id] = time.monotonic()
