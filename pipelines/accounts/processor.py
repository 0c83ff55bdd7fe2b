"""The accounts pipeline's processor: takes a record apart, decides, gathers what it causes."""

from collections.abc import Iterator, Mapping

from pipelines.accounts import publication, wakeups
from pipelines.accounts.decide import decide
from pipelines.accounts.decision import Context, Decision, payload_digest
from pipelines.accounts.decoding import Parsed, Rejected, decode_record
from pipelines.accounts.evolve import evolve
from pipelines.accounts.holds import expire
from pipelines.accounts.journal import Journal
from pipelines.accounts.memory import AccountMemory, StoreReadError, Writes
from pipelines.accounts.messages import AccountEvent, DecisionFailed, Reply
from pipelines.accounts.partition_policy import PolicyCache
from pipelines.accounts.tally import NoTally, Tally
from pipelines.accounts.terms import Rules
from pipelines.runtime.processor import Outputs, Record
from schemas.commands import (
    AccountCommand,
    Allocate,
    PublishPolicy,
    Revoke,
    SetLimits,
    SetStatus,
    SetTier,
    Tick,
)
from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import Outcome
from state.store import PartitionStores
from topics.partitioning import partition_of_account

_FATAL = (StoreReadError, MemoryError, OSError)
"""Errors that end the process: the record is decided again by the next one."""

_PRIVILEGED = (Allocate, Revoke, SetTier, SetStatus, SetLimits)

_BURIED_POLICIES = {
    Outcome.UNAUTHORISED_COMMAND: DeadLetterReason.UNAUTHORISED_COMMAND,
    Outcome.MALFORMED: DeadLetterReason.OVERSIZED,
}

Failures = Mapping[tuple[int, int, int], str]
"""(partition, offset, place) of commands whose deciding raised, and the sort of the error."""


class AccountsProcessor:
    """Decides the commands of `accounts.commands`, whose topic has `partitions` partitions.

    `failures`: in a replay, the commands that a decision-failed event is on record for; they are
    not decided again, so that the replay meets the same gap.
    """

    def __init__(
        self, partitions: int, tally: Tally | None = None, failures: Failures | None = None
    ) -> None:
        self._partitions = partitions
        self._tally = tally or NoTally()
        self._failures = failures or {}
        self._policies = PolicyCache()

    def process(self, record: Record, now_ms: int, stores: PartitionStores) -> Outputs:
        """Apply one record; see `pipelines.runtime.processor.Processor`."""
        journal = Journal(record, now_ms)
        for item in decode_record(record.value):
            if isinstance(item, Rejected):
                self._reject(journal, item)
            elif isinstance(item.command, Tick):
                self._tick(journal, stores)
            elif isinstance(item.command, PublishPolicy):
                self._publish(journal, stores, item, item.command)
            else:
                self._account_command(journal, stores, item, item.command)
        return journal.outputs

    def next_wakeup_ms(self, partition: int, stores: PartitionStores) -> int | None:  # noqa: ARG002 - a store is a partition's already
        return wakeups.next_wakeup_ms(stores.durable)

    def forget(self, partition: int) -> None:
        self._policies.forget(partition)

    def _reject(self, journal: Journal, rejected: Rejected) -> None:
        self._bury(journal, rejected.reason, rejected.detail, rejected.place, rejected.raw)
        sender = rejected.sender()
        if sender is not None:
            reply_to, command_id = sender
            reply = Reply(
                command_id=command_id,
                command=None,
                account=None,
                outcome=Outcome.MALFORMED,
                at_ms=journal.now_ms,
                detail=rejected.detail,
            )
            journal.reply(reply_to, reply.to_json())

    def _publish(
        self, journal: Journal, stores: PartitionStores, parsed: Parsed, command: PublishPolicy
    ) -> None:
        known = self._policies.read(journal.record.partition, stores.durable)
        reply = publication.publish(
            journal, stores.durable, known[0] if known else None, parsed.raw, command
        )
        buried = _BURIED_POLICIES.get(reply.outcome)
        if buried is not None:
            self._tally.buried(buried)
        self._answer(journal, command.reply_to, reply)

    def _account_command(
        self, journal: Journal, stores: PartitionStores, parsed: Parsed, command: AccountCommand
    ) -> None:
        partition = journal.record.partition
        belongs = partition_of_account(command.account, self._partitions)
        if belongs != partition:
            detail = f"{command.account} belongs to partition {belongs}, not to {partition}"
            self._bury(journal, DeadLetterReason.MISROUTED, detail, parsed.place, parsed.raw)
            self._refuse(journal, command, Outcome.MISROUTED, detail)
            return
        known = self._policies.read(partition, stores.durable)
        if known is None:
            detail = "the partition has no policy yet; try again"
            self._refuse(journal, command, Outcome.NOT_READY, detail)
            return
        rules = known[1]
        if isinstance(command, _PRIVILEGED) and not publication.is_signed(
            parsed.raw, rules.policy.issuers
        ):
            detail = f"{command.type} takes a signature by an issuer that the policy names"
            reason = DeadLetterReason.UNAUTHORISED_COMMAND
            self._bury(journal, reason, detail, parsed.place, parsed.raw)
            self._refuse(journal, command, Outcome.UNAUTHORISED_COMMAND, detail)
            return
        self._decide(journal, stores, rules, parsed, command)

    def _decide(
        self,
        journal: Journal,
        stores: PartitionStores,
        rules: Rules,
        parsed: Parsed,
        command: AccountCommand,
    ) -> None:
        record, now_ms, mark = journal.record, journal.now_ms, journal.mark()
        memory = AccountMemory(command.account, stores, now_ms)
        try:
            self._meet_known_failure(record, parsed.place)
            expired = list(_close_expired(memory, rules, record.partition))
            context = Context(
                memory,
                rules,
                now_ms,
                payload_digest(command),
                record.partition,
                record.offset,
                parsed.place,
            )
            decision = decide(context, command)
            for event in decision.events:
                evolve(memory, event)
            reply = decision.reply.to_json()
            answering = reply if decision.events else None
            writes = _conclude(journal, memory, [*expired, *decision.events], answering)
        except _FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in the rules: recorded, and not met twice
            journal.back_to(mark)
            memory = AccountMemory(command.account, stores, now_ms)
            decision = self._failed(journal, memory, rules, parsed, command, error)
            reply = decision.reply.to_json()
            writes = _conclude(journal, memory, list(decision.events), reply)
        memory.write(writes)
        self._answer(journal, command.reply_to, decision.reply, reply)

    def _tick(self, journal: Journal, stores: PartitionStores) -> None:
        """Close the expired holds of one page of accounts that are due."""
        known = self._policies.read(journal.record.partition, stores.durable)
        if known is None:
            return
        accounts = wakeups.take_due(stores.durable, journal.now_ms)
        for place, account_id in enumerate(accounts):
            self._expire_idle(journal, stores, known[1], place, account_id)

    def _expire_idle(
        self, journal: Journal, stores: PartitionStores, rules: Rules, place: int, account_id: str
    ) -> None:
        record, now_ms, mark = journal.record, journal.now_ms, journal.mark()
        memory = AccountMemory(account_id, stores, now_ms)
        try:
            self._meet_known_failure(record, place)
            events = list(_close_expired(memory, rules, record.partition))
            writes = _conclude(journal, memory, events, None)
        except _FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - as in _decide
            journal.back_to(mark)
            memory = AccountMemory(account_id, stores, now_ms)
            failed = DecisionFailed(
                account=account_id,
                at_ms=now_ms,
                policy_version=rules.version,
                command="tick",
                place=place,
                error=_sort_of(error),
            )
            evolve(memory, failed)
            self._bury(
                journal,
                DeadLetterReason.DECISION_FAILED,
                f"expiring {account_id} raised {_sort_of(error)}: {error}",
                place,
                record.value or b"",
            )
            writes = _conclude(journal, memory, [failed], None)
        memory.write(writes)

    def _meet_known_failure(self, record: Record, place: int) -> None:
        error = self._failures.get((record.partition, record.offset, place))
        if error is not None:
            raise _KnownFailureError(error)

    def _failed(
        self,
        journal: Journal,
        memory: AccountMemory,
        rules: Rules,
        parsed: Parsed,
        command: AccountCommand,
        error: Exception,
    ) -> Decision:
        sort = _sort_of(error)
        event = DecisionFailed(
            account=command.account,
            at_ms=journal.now_ms,
            command_id=command.command_id,
            actor=command.actor,
            policy_version=rules.version,
            command=command.type,
            place=parsed.place,
            error=sort,
        )
        evolve(memory, event)
        detail = f"deciding raised {sort}: {error}"
        reason = DeadLetterReason.DECISION_FAILED
        self._bury(journal, reason, detail, parsed.place, parsed.raw)
        return Decision(
            (event,),
            _refusal(journal, command, Outcome.DECISION_FAILED, "deciding the command failed"),
        )

    def _refuse(
        self, journal: Journal, command: AccountCommand, outcome: Outcome, detail: str
    ) -> None:
        self._answer(journal, command.reply_to, _refusal(journal, command, outcome, detail))

    def _answer(
        self, journal: Journal, reply_to: str | None, reply: Reply, encoded: bytes | None = None
    ) -> None:
        self._tally.answered(reply.command or "", reply.outcome, replayed=reply.replayed)
        journal.reply(reply_to, encoded or reply.to_json())

    def _bury(
        self,
        journal: Journal,
        reason: DeadLetterReason,
        detail: str,
        place: int | None,
        raw: bytes,
    ) -> None:
        self._tally.buried(reason)
        journal.bury(reason, detail, place, raw)


class _KnownFailureError(Exception):
    """Stands for an error that a decision-failed event is on record for."""


def _sort_of(error: Exception) -> str:
    return str(error) if isinstance(error, _KnownFailureError) else type(error).__name__


def _close_expired(memory: AccountMemory, rules: Rules, partition: int) -> Iterator[AccountEvent]:
    """Close the account's expired holds in order of their deadlines, each as of its own."""
    while memory.account.open_holds and memory.account.open_holds[0].deadline_ms <= memory.now_ms:
        for event in expire(memory, rules, partition, memory.account.open_holds[0]):
            evolve(memory, event)
            yield event


def _conclude(
    journal: Journal, memory: AccountMemory, events: list[AccountEvent], reply: bytes | None
) -> Writes:
    """Publish the events in the account's chain; returns the writes of what they changed.

    `reply` is the answer that the last event is the reason of, if there is one.
    """
    if not events:
        return []
    head = memory.account.head
    for event in events[:-1]:
        head = journal.publish(memory.account_id, event, head, None)
    memory.account.head = journal.publish(memory.account_id, events[-1], head, reply)
    return memory.encoded()


def _refusal(journal: Journal, command: AccountCommand, outcome: Outcome, detail: str) -> Reply:
    return Reply(
        command_id=command.command_id,
        command=command.type,
        account=command.account,
        outcome=outcome,
        at_ms=journal.now_ms,
        detail=detail,
    )
