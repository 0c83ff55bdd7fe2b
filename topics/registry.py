"""Every topic, declared once: what it carries, how it is laid out, who writes and who reads it.

Names here are the logical ones. A broker may be shared by giving each system a prefix
(`LEAKY_TOPICS_PREFIX`); `Topic.name_on_broker(prefix)` is the name to produce to and consume from.
Producers and consumers are package paths; a test compares them with what the code uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.messages import DOCUMENTS, WireDocument

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_FOREVER = "-1"
_MIB = 1024 * 1024

MAX_COMMANDS_RECORD_BYTES = 256 * 1024
"""A commands record whose value is larger is dead-lettered as `oversized`.

Below the topic's own `max.message.bytes`, so that such a record reaches the pipeline and gets an
answer, and at what one state value may have, so that every policy that travels can be kept.
"""


class Routing(StrEnum):
    """How a record finds its partition."""

    BY_KEY = "murmur2 of the key"
    EXPLICIT = "chosen by the producer"
    ONLY_ONE = "the topic has one partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One declared topic.

    `key` says in words what a record's key is, None when records have none. `config` holds the
    broker settings that are the same in every environment; `expected_config` adds the others.
    """

    name: str
    summary: str
    key: str | None
    carries: WireDocument | None
    routing: Routing
    config: Mapping[str, str]
    producers: frozenset[str]
    consumers: frozenset[str]

    def name_on_broker(self, prefix: str = "") -> str:
        """The name on a broker where all topics of this system start with `prefix`."""
        return prefix + self.name

    def partitions(self, default_partitions: int) -> int:
        """How many partitions the topic has where keyed topics have `default_partitions`."""
        return 1 if self.routing is Routing.ONLY_ONE else default_partitions

    def expected_config(self, min_insync_replicas: int) -> dict[str, str]:
        """Every broker setting that we rely on, by its Kafka name."""
        return {
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(min_insync_replicas),
            "unclean.leader.election.enable": "false",
            **self.config,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOwner:
    """A pipeline with state: its consumer group, its one input topic, its stores."""

    package: str
    group: str
    input: Topic
    stores: tuple[str, ...]

    def group_on_broker(self, prefix: str = "") -> str:
        """The consumer group's id where all names of this system start with `prefix`."""
        return prefix + self.group


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogTopic(Topic):
    """The changelog of one store; its name is what Quix Streams looks for."""

    owner: StateOwner
    store: str
    carries: WireDocument | None = None
    routing: Routing = field(default=Routing.EXPLICIT)

    def name_on_broker(self, prefix: str = "") -> str:
        group = self.owner.group_on_broker(prefix)
        return f"changelog__{group}--{self.owner.input.name_on_broker(prefix)}--{self.store}"


def _kept_forever() -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": _FOREVER,
        "retention.bytes": _FOREVER,
        "max.message.bytes": str(_MIB),
    }


ACCOUNTS_COMMANDS = Topic(
    name="accounts.commands",
    summary="What accounts are asked to do: the log that every decision is a function of.",
    key="the account that pays, `user:<uuid>` or `org:<uuid>`; none for partition commands",
    carries=DOCUMENTS["accounts-command-record"],
    routing=Routing.BY_KEY,
    config=_kept_forever(),
    # The runtime of pipelines/accounts sends its partitions ticks; topics sends them policies.
    producers=frozenset({"gateway", "leaky", "pipelines.accounts", "topics"}),
    consumers=frozenset({"leaky", "pipelines.accounts", "topics"}),
)

ACCOUNTS_EVENTS = Topic(
    name="accounts.events",
    summary="What was decided: the record of usage, and the audit trail.",
    key="the account; none for events of a partition",
    carries=DOCUMENTS["accounts-event"],
    routing=Routing.BY_KEY,
    config=_kept_forever(),
    producers=frozenset({"pipelines.accounts"}),
    consumers=frozenset({"leaky"}),
)

REPLIES = Topic(
    name="replies",
    summary="One answer for each command that asked for one, in the partition it named.",
    key=None,
    carries=DOCUMENTS["reply"],
    routing=Routing.EXPLICIT,
    config={
        "cleanup.policy": "delete",
        "retention.ms": str(5 * _MINUTE_MS),
        "retention.bytes": _FOREVER,
        # Only whole segments are deleted, and the newest never is.
        "segment.ms": str(_MINUTE_MS),
        "max.message.bytes": str(_MIB),
    },
    producers=frozenset({"pipelines.accounts"}),
    consumers=frozenset({"gateway", "leaky", "topics"}),
)

POLICIES = Topic(
    name="policies",
    summary="The published policies, each as the signed command that carried it.",
    key="the policy's name",
    carries=DOCUMENTS["published-policy"],
    # One partition: readers take all of it, and its order is the order of publication.
    routing=Routing.ONLY_ONE,
    config={
        "cleanup.policy": "compact",
        "max.message.bytes": str(_MIB),
    },
    producers=frozenset({"topics"}),
    consumers=frozenset({"leaky", "topics"}),
)

DEAD_LETTERS = Topic(
    name="dead-letters",
    summary="Records that were not decided, with the reason and where they stand.",
    key="the record's own key, where it had one",
    carries=DOCUMENTS["dead-letter"],
    routing=Routing.BY_KEY,
    config={
        "cleanup.policy": "delete",
        "retention.ms": str(14 * _DAY_MS),
        "retention.bytes": _FOREVER,
        "max.message.bytes": str(_MIB),
    },
    producers=frozenset({"pipelines.accounts"}),
    consumers=frozenset({"leaky"}),
)

ACCOUNTS_STATE = StateOwner(
    package="pipelines.accounts",
    group="accounts",
    input=ACCOUNTS_COMMANDS,
    stores=("default", "recent-commands"),
)
"""`default` is the durable store (the name is Quix's), `recent-commands` the expiring one."""


def _changelog(owner: StateOwner, store: str) -> ChangelogTopic:
    return ChangelogTopic(
        name=f"changelog__{owner.group}--{owner.input.name}--{store}",
        summary=f"What {owner.package} keeps in its store `{store}`, to restore it elsewhere.",
        key="the store's key",
        config={
            "cleanup.policy": "compact",
            # A state folder that was away for less still learns of every deletion.
            "delete.retention.ms": str(30 * _DAY_MS),
            # Only closed segments are compacted, and a restore reads what is not.
            "segment.bytes": str(64 * _MIB),
            "max.message.bytes": str(_MIB),
        },
        producers=frozenset({owner.package}),
        consumers=frozenset({owner.package}),
        owner=owner,
        store=store,
    )


STATE_OWNERS: tuple[StateOwner, ...] = (ACCOUNTS_STATE,)

CHANGELOGS: tuple[ChangelogTopic, ...] = tuple(
    _changelog(owner, store) for owner in STATE_OWNERS for store in owner.stores
)

TOPICS: tuple[Topic, ...] = (
    ACCOUNTS_COMMANDS,
    ACCOUNTS_EVENTS,
    REPLIES,
    POLICIES,
    DEAD_LETTERS,
    *CHANGELOGS,
)
