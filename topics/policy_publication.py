"""Publishing a policy: to every partition, again until each confirms, and into `policies`."""

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from schemas.replies import Reply
from schemas.signing import Issuer
from topics.envelope import Envelope, parse_envelope
from topics.published_policies import PublishedPolicy
from topics.registry import ACCOUNTS_COMMANDS, POLICIES, REPLIES
from topics.sending import send_to_partitions
from topics.settings import TopicsSettings

_SEND_AGAIN_AFTER_S = 2.0
_POLL_S = 0.1
_REQUEST_TIMEOUT_S = 10.0


class PolicyRefusedError(RuntimeError):
    """Partitions answered with something else than that the policy applies."""

    def __init__(self, refusals: Mapping[int, Reply]) -> None:
        self.refusals = dict(refusals)
        partitions_by_answer: dict[str, list[str]] = {}
        for partition, reply in sorted(refusals.items()):
            answer = f"{reply.outcome}, {reply.detail or 'no detail'}"
            partitions_by_answer.setdefault(answer, []).append(str(partition))
        answers = "".join(
            f"\n  by partitions {', '.join(partitions)}: {answer}"
            for answer, partitions in partitions_by_answer.items()
        )
        super().__init__(f"The policy was refused:{answers}")


class PolicyNotConfirmedError(RuntimeError):
    """Not every partition answered in time; publishing the same policy again is safe."""

    def __init__(self, partitions: Iterable[int], timeout_s: float) -> None:
        self.partitions = tuple(sorted(partitions))
        named = ", ".join(map(str, self.partitions))
        super().__init__(
            f"In {timeout_s:g} s no confirmation came from partitions {named} of "
            f"{ACCOUNTS_COMMANDS.name}: is the accounts pipeline running? The policy is in their "
            "log and will be applied; publish the same policy again to have it confirmed."
        )


@dataclass(slots=True)
class _Confirmations:
    """Which partition's request each reply answers, and what it says."""

    partition_of_request: dict[str, int]
    waiting: set[int]
    refusals: dict[int, Reply] = field(default_factory=dict)

    def note(self, request_id: str | None, value: bytes | None) -> None:
        partition = self.partition_of_request.get(request_id or "")
        if partition is None or value is None:
            return
        reply = Reply.model_validate_json(value)
        if reply.outcome is Outcome.NOT_READY:
            return
        self.waiting.discard(partition)
        if reply.outcome is not Outcome.APPLIED:
            self.refusals[partition] = reply


def publish_policy(
    settings: TopicsSettings,
    document: PolicyDocument,
    issuer: Issuer,
    *,
    wait_for_confirmation: bool = True,
    timeout_s: float = 30.0,
) -> PublishedPolicy:
    """Bring `document` to every partition, then keep it in `policies`.

    With `wait_for_confirmation` it is sent again to silent partitions until all have applied it,
    and `policies` never holds what was refused. Raises `PolicyRefusedError`,
    `PolicyNotConfirmedError`, or `BrokerUnreachableError`.
    """
    partitions = range(ACCOUNTS_COMMANDS.partitions(settings.topics_partitions))
    published = PublishedPolicy.signed(document, issuer)
    if wait_for_confirmation:
        _send_until_confirmed(settings, document, issuer, partitions, timeout_s)
    else:
        send_to_partitions(settings, ACCOUNTS_COMMANDS, dict.fromkeys(partitions, published.value))
    send_to_partitions(settings, POLICIES, {0: published.value}, key=published.key)
    return published


def _send_until_confirmed(
    settings: TopicsSettings,
    document: PolicyDocument,
    issuer: Issuer,
    partitions: Iterable[int],
    timeout_s: float,
) -> None:
    reply_partition = secrets.randbelow(REPLIES.partitions(settings.topics_partitions))
    command = PublishedPolicy.signed(document, issuer, f"{REPLIES.name}/{reply_partition}")
    request_ids = {secrets.token_hex(16): partition for partition in partitions}
    headers = {
        partition: Envelope(request_id=request_id, correlation_id=request_id).to_headers()
        for request_id, partition in request_ids.items()
    }
    confirmations = _Confirmations(request_ids, waiting=set(request_ids.values()))
    deadline = time.monotonic() + timeout_s
    replies = _consumer_from_the_end(settings, reply_partition)
    try:
        while confirmations.waiting and time.monotonic() < deadline:
            send_to_partitions(
                settings,
                ACCOUNTS_COMMANDS,
                dict.fromkeys(confirmations.waiting, command.value),
                headers=headers,
            )
            _collect(replies, confirmations, min(deadline, time.monotonic() + _SEND_AGAIN_AFTER_S))
    finally:
        replies.close()
    if confirmations.refusals:
        raise PolicyRefusedError(confirmations.refusals)
    if confirmations.waiting:
        raise PolicyNotConfirmedError(confirmations.waiting, timeout_s)


def _collect(replies: Consumer, confirmations: _Confirmations, until_s: float) -> None:
    while confirmations.waiting and time.monotonic() < until_s:
        message = replies.poll(_POLL_S)
        if message is None:
            continue
        if error := message.error():
            raise KafkaException(error)
        confirmations.note(parse_envelope(message.headers()).request_id, message.value())


def _consumer_from_the_end(settings: TopicsSettings, partition: int) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            # Required by the client; nothing is committed, and assign() joins no group.
            "group.id": f"{settings.topics_prefix}topics",
            "enable.auto.commit": False,
        }
    )
    place = TopicPartition(REPLIES.name_on_broker(settings.topics_prefix), partition)
    _, place.offset = consumer.get_watermark_offsets(place, timeout=_REQUEST_TIMEOUT_S)
    consumer.assign([place])
    return consumer
