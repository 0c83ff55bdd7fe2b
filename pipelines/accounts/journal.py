"""What one record causes, gathered in order: events sealed and chained, replies, dead letters."""

from dataclasses import dataclass, field
from hashlib import sha256

from pipelines.accounts.messages import Event
from pipelines.runtime.processor import OutputRecord, Outputs, Record
from schemas.dead_letters import DeadLetterOrigin, DeadLetterReason, dead_letter
from topics.envelope import reply_headers
from topics.registry import ACCOUNTS_EVENTS, DEAD_LETTERS, REPLIES


@dataclass(slots=True)
class Journal:
    """The outputs of one record. Event indexes count through all of its commands."""

    record: Record
    now_ms: int
    outputs: Outputs = field(default_factory=Outputs)
    _next_index: int = 0

    def mark(self) -> tuple[int, int]:
        """Where the journal stands, for `back_to`."""
        return len(self.outputs.transactional), self._next_index

    def back_to(self, mark: tuple[int, int]) -> None:
        """Take back the events and dead letters since `mark`."""
        written, self._next_index = mark
        del self.outputs.transactional[written:]

    def publish(self, account: str | None, event: Event, head: bytes, reply: bytes | None) -> bytes:
        """Append an event to the chain that ends in `head`; returns the chain's new head.

        `reply` is given with a command's last event, which carries its digest.
        """
        value = self._seal(head, reply) + event.encoded[1:]
        self._next_index += 1
        self.outputs.transactional.append(
            OutputRecord(
                ACCOUNTS_EVENTS.name,
                None if account is None else account.encode(),
                value,
                partition=self.record.partition,
            )
        )
        return sha256(value).digest()

    def _seal(self, head: bytes, reply: bytes | None) -> bytes:
        """The start of a published event: its `schemas.events.Seal`, in front of its fields.

        Written as text, because the event's own bytes are behind it as they were decided.
        """
        record = self.record
        opened = (
            f'{{"seal":{{"origin":{{"topic":"{record.topic}","partition":{record.partition},'
            f'"offset":{record.offset},"index":{self._next_index}}}'
        )
        previous = f',"previousHash":"{head.hex()}"' if head else ""
        answer = "" if reply is None else f',"replyDigest":"{sha256(reply).hexdigest()}"'
        return f"{opened}{previous}{answer}}},".encode()

    def reply(self, reply_to: str | None, reply: bytes) -> None:
        """Send a reply to the partition that its command named, if it named one."""
        if reply_to is None:
            return
        self.outputs.prompt.append(
            OutputRecord(
                REPLIES.name,
                None,
                reply,
                reply_headers(self.record.headers),
                int(reply_to.rpartition("/")[2]),
            )
        )

    def bury(
        self, reason: DeadLetterReason, detail: str, place: int | None, value: bytes | None
    ) -> None:
        """Dead-letter the record, or the command at `place` in it."""
        letter = dead_letter(
            reason,
            detail,
            DeadLetterOrigin(
                topic=self.record.topic,
                partition=self.record.partition,
                offset=self.record.offset,
                index=place,
            ),
            self.now_ms,
            key=self.record.key,
            value=value,
            headers=self.record.headers,
        )
        self.outputs.transactional.append(
            OutputRecord(DEAD_LETTERS.name, self.record.key, letter.to_json())
        )
