"""The first policy of a system: made once, kept in `policies`, and sent to every partition.

Its bytes are the root of trust: they name the first issuers, and every partition of the commands
log must begin with the same ones. So they are made under a lock, kept before they are sent, and
never made again while either topic knows them.
"""

import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from confluent_kafka import KafkaException, Message, Producer

from schemas.default_policy import default_policy
from topics.issuer_keys import create_issuer, load_issuers
from topics.published_policies import (
    PublishedPolicy,
    read_published_policies,
    self_signed_policy,
)
from topics.reading import read_until
from topics.registry import ACCOUNTS_COMMANDS, POLICIES
from topics.sending import send_to_partitions
from topics.settings import TopicsSettings

_TIMEOUT_S = 30.0
_ATTEMPTS = 5
_LOGGER = logging.getLogger(f"{__name__}.client")
_LOGGER.addHandler(logging.NullHandler())


class GenesisError(RuntimeError):
    """The first policy is not the one and only; a person must look."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """The first policy, and what was done to bring it everywhere."""

    policy: PublishedPolicy
    made: bool
    sent_to: tuple[int, ...]


def ensure_genesis(settings: TopicsSettings) -> Genesis:
    """Have every partition of the commands log hold the system's first policy.

    The topics must exist. Raises `GenesisError` when the topics know different first policies, or
    when one of them has lost what the other builds on.
    """
    first = _first_policies(settings)
    kept = read_published_policies(settings)
    known = _one_of(first, kept)
    policy, made = (known, False) if known else _make_once(settings)
    lacking = tuple(partition for partition, found in first.items() if found is None)
    send_to_partitions(settings, ACCOUNTS_COMMANDS, dict.fromkeys(lacking, policy.value))
    return Genesis(policy=policy, made=made, sent_to=lacking)


def _first_policies(settings: TopicsSettings) -> dict[int, PublishedPolicy | None]:
    """The first policy that each partition of the commands log could have applied."""
    first: dict[int, PublishedPolicy | None] = dict.fromkeys(
        range(ACCOUNTS_COMMANDS.partitions(settings.topics_partitions))
    )

    def find(message: Message) -> bool:
        partition = message.partition()
        if partition is None:
            return False
        first[partition] = self_signed_policy(message.value())
        return first[partition] is not None

    topic = ACCOUNTS_COMMANDS.name_on_broker(settings.topics_prefix)
    read_until(settings, topic, tuple(first), find)
    return first


def _one_of(
    first: dict[int, PublishedPolicy | None], kept: Iterable[PublishedPolicy]
) -> PublishedPolicy | None:
    """The first policy that all who know one agree on; None in a new system."""
    kept = tuple(kept)
    places = {
        f"{ACCOUNTS_COMMANDS.name}[{partition}]": policy
        for partition, policy in first.items()
        if policy is not None
    }
    in_log = bool(places)
    # Compaction drops the first policy from `policies` when a later one has been published.
    places |= {
        f"{POLICIES.name}, record {number}": policy
        for number, policy in enumerate(kept, start=1)
        if policy.document.version == 1
    }
    if in_log and not kept:
        raise GenesisError(
            f"{POLICIES.name} is empty, but {ACCOUNTS_COMMANDS.name} holds a policy: "
            f"{POLICIES.name} was lost. Restore it."
        )
    if kept and not places:
        raise GenesisError(
            f"{POLICIES.name} holds version {kept[-1].document.version}, but no partition of "
            f"{ACCOUNTS_COMMANDS.name} holds a policy: the log was lost. Restore it."
        )
    digests = {policy.digest for policy in places.values()}
    if len(digests) > 1:
        found = "\n".join(f"  {place}: {policy.digest}" for place, policy in places.items())
        raise GenesisError(f"The first policies differ (SHA-256 of the command):\n{found}")
    return next(iter(places.values()), None)


def _make_once(settings: TopicsSettings) -> tuple[PublishedPolicy, bool]:
    """The first policy, and whether it was this process that made and kept it.

    The lock is a transactional id: whoever initialises it fences all who did before, so that what
    they have begun is never kept. They then wait for the policy of the last one. Only `policies`
    is written in a transaction; the commands log never is.
    """
    for attempt in range(_ATTEMPTS):
        # Grows, and differs between the processes, so that they do not fence each other for ever.
        patience_s = attempt * random.uniform(1, 3)  # noqa: S311 - no secret
        if kept := _kept_within(settings, patience_s):
            return kept, False
        try:
            return _make_under_lock(settings)
        except KafkaException as error:
            if not error.args[0].fatal():
                raise
    raise GenesisError("other processes kept creating the first policy at the same time")


def _kept_within(settings: TopicsSettings, patience_s: float) -> PublishedPolicy | None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if kept := read_published_policies(settings):
            return kept[0]
    return None


def _make_under_lock(settings: TopicsSettings) -> tuple[PublishedPolicy, bool]:
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "transactional.id": f"{settings.topics_prefix}topics-genesis",
            "transaction.timeout.ms": 10_000,
        },
        logger=_LOGGER,  # being fenced is expected, and raised as well
    )
    producer.init_transactions(_TIMEOUT_S)
    if kept := read_published_policies(settings):
        return kept[0], False
    policy = _new_policy(settings)
    producer.begin_transaction()
    topic = POLICIES.name_on_broker(settings.topics_prefix)
    producer.produce(topic, key=policy.key, value=policy.value, partition=0)
    producer.commit_transaction(_TIMEOUT_S)
    return policy, True


def _new_policy(settings: TopicsSettings) -> PublishedPolicy:
    issuers = load_issuers(settings.data_dir) or (create_issuer(settings.data_dir),)
    document = default_policy(
        issuers=tuple(issuer.public() for issuer in issuers), time_zone_data=version("tzdata")
    )
    return PublishedPolicy.signed(document, issuers[0])
