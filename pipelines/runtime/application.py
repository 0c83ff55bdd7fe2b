"""The Quix Streams application that runs one pipeline, exactly once.

Quix owns the consumer group, the transactions, the stores, their changelogs and their restore.
What this subclass adds: our own step in place of a dataframe's (one state owner reads one topic,
so there is nothing to join), partition-wide stores, the offset guard, replies and ticks outside of
the transaction, and an end of the process wherever Quix would go on with doubt.

It relies on internals of Quix Streams that tests/contract pins to the installed version.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from quixstreams import Application
from quixstreams.error_callbacks import ConsumerErrorCallback
from quixstreams.kafka.consumer import raise_for_msg_error
from quixstreams.models import TopicConfig
from quixstreams.state import DEFAULT_STATE_STORE_NAME
from quixstreams.state.rocksdb import RocksDBOptions

from pipelines.runtime.changelogs import newest_applied_offset, wait_until_settled
from pipelines.runtime.checkpoints import CheckpointContext
from pipelines.runtime.consumer import AssignmentConsumer, Watermarks, ask_watermarks
from pipelines.runtime.failures import (
    PartitionsLostError,
    WrongTimestampTypeError,
)
from pipelines.runtime.metrics import RuntimeMetrics, ends_from_statistics
from pipelines.runtime.offset_guard import (
    PartitionOffsets,
    after_restore,
    before_restore,
    require_none,
)
from pipelines.runtime.partition_stores import AssignedPartition, QuixTransaction
from pipelines.runtime.position import read_position, run_record
from pipelines.runtime.processor import OutputRecord, Processor, Record
from pipelines.runtime.prompt import PromptProducer
from pipelines.runtime.settings import RuntimeSettings
from pipelines.runtime.ticker import Ticker
from topics.registry import StateOwner

logger = logging.getLogger(__name__)

DURABLE_STORE = DEFAULT_STATE_STORE_NAME
EXPIRING_STORE = "recent-commands"

_MAX_EVICTIONS_PER_FLUSH = 2_000
"""Quix's own default of 150,000 made a checkpoint of 11 s."""

_RECORDS_PER_TURN = 100
"""Records taken before the loop looks after everything else again."""

_TRANSACTIONAL_LINGER_MS = 100
"""How long events gather before a request carries them: few requests, and little left to flush."""

_STATISTICS_INTERVAL_MS = 5_000
_REQUEST_TIMEOUT_S = 30.0


class PipelineApplication(Application):
    """Runs a processor over its owner's input topic.

    `tick_record` makes the tick of one partition. Every topic and changelog must exist already.
    Processors know topics by their declared names; the broker's prefix is put before them here.
    """

    def __init__(
        self,
        owner: StateOwner,
        processor: Processor,
        tick_record: Callable[[int], OutputRecord],
        metrics: RuntimeMetrics,
        settings: RuntimeSettings,
    ) -> None:
        process_name = settings.process_name(owner)
        self._connection = {"bootstrap.servers": settings.kafka_bootstrap_servers}
        super().__init__(
            broker_address=settings.kafka_bootstrap_servers,
            consumer_group=owner.group_on_broker(settings.topics_prefix),
            auto_offset_reset="earliest",
            commit_interval=settings.commit_interval_ms / 1000,
            consumer_poll_timeout=settings.consumer_poll_timeout_ms / 1000,
            processing_guarantee="exactly-once",
            auto_create_topics=False,
            auto_recover_from_source_offset_out_of_range=False,
            state_dir=settings.state_folder(owner),
            rocksdb_options=RocksDBOptions(
                write_buffer_size=settings.state_write_buffer_mib << 20,
                block_cache_size=settings.state_block_cache_mib << 20,
                max_evictions_per_flush=_MAX_EVICTIONS_PER_FLUSH,
            ),
            consumer_extra_config={
                "group.instance.id": process_name,
                "session.timeout.ms": settings.session_timeout_ms,
                "heartbeat.interval.ms": min(2_000, settings.session_timeout_ms // 3),
                "statistics.interval.ms": _STATISTICS_INTERVAL_MS,
                "stats_cb": self._observe_lag,
            },
            producer_extra_config={
                "transactional.id": process_name,
                "transaction.timeout.ms": settings.transaction_timeout_ms,
                "partitioner": "murmur2_random",
                # Nobody sees them before the commit, whose flush does not wait for this.
                "linger.ms": _TRANSACTIONAL_LINGER_MS,
            },
            loglevel=None,
        )
        self._owner = owner
        self._prefix = settings.topics_prefix
        self._settings = settings
        self._processor = processor
        self._metrics = metrics
        self._input_topic = owner.input.name_on_broker(settings.topics_prefix)
        self._partitions: dict[int, AssignedPartition] = {}
        self._opening: dict[int, PartitionOffsets] = {}
        self._touched: list[int] = []
        self._assigned_at: float | None = None
        self._undeliverable_told = 0
        self._admin = AdminClient(self._connection)
        self._prompt = PromptProducer(self._connection, process_name, settings.topics_prefix)
        self._ticker = Ticker(tick_record, self._prompt.send)
        self._processing_context = self._checkpoint_context()
        self._stream_id = self._register_input()

    @property
    def ready(self) -> bool:
        """Whether the group has assigned us partitions and all of them are restored."""
        return bool(self._partitions) and not self._opening

    def run_until_stopped(self) -> None:
        """Process records; returns after SIGTERM or SIGINT, with everything committed and sent.

        Belongs on the main thread, where Python delivers signals.
        """
        self._ticker.start()
        try:
            self.run()
        finally:
            self._ticker.stop()
        # Also after a failure every reply to what was committed has left: see _before_commit.
        self._prompt.flush()

    # Set-up

    def _get_internal_consumer(
        self,
        on_error: ConsumerErrorCallback | None = None,
        extra_config_overrides: dict[str, object] | None = None,
    ) -> AssignmentConsumer:
        """Called by Quix's constructor."""
        config = self._config
        return AssignmentConsumer(
            broker_address=config.broker_address,
            consumer_group=config.consumer_group,
            auto_offset_reset=config.auto_offset_reset,
            auto_commit_enable=False,
            extra_config={**config.consumer_extra_config, **(extra_config_overrides or {})},
            on_error=on_error,
            max_partition_buffer_size=config.max_partition_buffer_size,
        )

    def _checkpoint_context(self) -> CheckpointContext:
        """Our context in the place of the one that Quix made, before any dataframe holds it."""
        made = self._processing_context
        context = CheckpointContext(
            **{f.name: getattr(made, f.name) for f in dataclasses.fields(made) if f.init}
        )
        context.shortest_interval_s = self._settings.commit_interval_ms / 1000
        context.longest_interval_s = max(
            context.shortest_interval_s, self._settings.commit_interval_longest_ms / 1000
        )
        context.before_commit = self._before_commit
        context.on_new_checkpoint = self._on_new_checkpoint
        context.after_commit = self._after_commit
        return context

    def _register_input(self) -> str:
        """Declare the input topic and its two stores; raises TopicNotFoundError for a missing one.

        The dataframe has no steps: it tells Quix what to subscribe to and which stores go with it.
        """
        topic = self.topic(self._input_topic, key_deserializer="bytes", value_deserializer="bytes")
        dataframe = self.dataframe(topic)
        for store_name in (DURABLE_STORE, EXPIRING_STORE):
            self._state_manager.register_store(
                stream_id=dataframe.stream_id,
                store_name=store_name,
                changelog_config=TopicConfig(
                    num_partitions=topic.broker_config.num_partitions,
                    replication_factor=topic.broker_config.replication_factor,
                ),
            )
        return str(dataframe.stream_id)

    # One turn of Quix's loop

    def _process_message(self, dataframe_composed: object) -> None:  # noqa: ARG002 - Quix's
        self._producer.poll(0)
        self._look_after_prompt_records()
        if self._opening:
            self._open_partitions()
        timeout_s = self._config.consumer_poll_timeout
        for _ in range(_RECORDS_PER_TURN):
            message = self._consumer.poll(timeout_s)
            if message is None:
                return
            if self._opening:
                self._open_partitions()
            self._apply(raise_for_msg_error(message))
            if self._processing_context.checkpoint.expired():
                return
            timeout_s = 0.0

    def _apply(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        timestamp_type, timestamp_ms = message.timestamp()
        if timestamp_type != TIMESTAMP_LOG_APPEND_TIME:
            raise WrongTimestampTypeError(message.topic(), partition, offset)
        assigned = self._partitions[partition]
        record = Record(
            self._owner.input.name,
            partition,
            offset,
            timestamp_ms,
            message.key(),
            message.value(),
            message.headers() or (),
        )
        assigned.expiring.at(timestamp_ms)
        started = time.perf_counter()
        outputs = run_record(self._processor, record, assigned.stores)
        assigned.touched = True
        assigned.next_offset = offset + 1
        if outputs is None:
            self._metrics.skipped()
        else:
            produce = self._producer.produce
            for output in outputs.transactional:
                produce(
                    self._prefix + output.topic,
                    output.value,
                    output.key,
                    output.headers or None,
                    output.partition,
                )
            for output in outputs.prompt:
                self._prompt.send(output)
            self._metrics.decided(time.perf_counter() - started)
        if self._ticker.awaits(partition):
            self._ticker.applied(partition, record.headers)
        self._processing_context.store_offset(self._input_topic, partition, offset)

    def _look_after_prompt_records(self) -> None:
        self._prompt.poll()
        self._ticker.raise_for_failure()
        dropped = self._prompt.undeliverable
        if dropped != self._undeliverable_told:
            self._metrics.undeliverable(dropped - self._undeliverable_told)
            self._undeliverable_told = dropped

    # Checkpoints

    def _before_commit(self) -> None:
        # A command that is committed is not decided again, so its reply must have arrived by now.
        self._prompt.flush()
        for number, assigned in self._partitions.items():
            if assigned.touched:
                self._touched.append(number)
                assigned.hand_over()

    def _on_new_checkpoint(self) -> None:
        for assigned in self._partitions.values():
            assigned.new_checkpoint()

    def _after_commit(self, seconds: float, revoking: bool) -> None:
        self._metrics.checkpointed(seconds)
        # While partitions are revoked, the new checkpoint must not open their stores again.
        if not revoking:
            for number in self._touched:
                self._plan_tick(number, self._partitions[number])
        self._touched.clear()

    def _plan_tick(self, number: int, assigned: AssignedPartition) -> None:
        position = read_position(assigned.durable)
        due_ms = self._processor.next_wakeup_ms(number, assigned.stores)
        self._ticker.plan(number, due_ms, position.clock_ms if position is not None else 0)

    # Assignment and revocation

    def _on_assign(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        if not topic_partitions:
            return
        self._assigned_at = time.perf_counter()
        inputs = [p for p in topic_partitions if p.topic == self._input_topic]
        changelogs = [p for p in topic_partitions if p.topic != self._input_topic]
        wait_until_settled(
            self._admin, changelogs, timeout_s=2 * self._settings.transaction_timeout_ms / 1000
        )
        watermarks = ask_watermarks(self._admin, topic_partitions)
        for committed in self._consumer.committed(inputs, timeout=_REQUEST_TIMEOUT_S):
            first, _ = watermarks[(committed.topic, committed.partition)]
            self._opening[committed.partition] = PartitionOffsets(
                topic=committed.topic,
                partition=committed.partition,
                committed=committed.offset if committed.offset >= 0 else None,
                first=first,
            )
        self._require_restorable(watermarks)
        quix_consumer = cast(AssignmentConsumer, self._consumer)
        quix_consumer.tell_watermarks(watermarks)
        try:
            super()._on_assign(consumer, topic_partitions)
        finally:
            quix_consumer.tell_watermarks({})

    def _require_restorable(self, watermarks: Watermarks) -> None:
        """Raise `OffsetsDisagreeError` if Quix would restore nothing though there is state."""
        changelog = self._topic_manager.changelog_topics[self._stream_id][DURABLE_STORE]
        problems = []
        for number, offsets in self._opening.items():
            if offsets.committed:
                continue
            restorable = None
            if watermarks[(changelog.name, number)] != (0, 0):
                restorable = newest_applied_offset(
                    self._connection, TopicPartition(changelog.name, number), self._input_topic
                )
            problems.append(before_restore(offsets, restorable, self._config.consumer_group))
        require_none(problems)

    def _open_partitions(self) -> None:
        """Check every restored partition's state against its offsets, and start its ticks.

        Called when Quix has nothing left to restore. Raises `OffsetsDisagreeError`.
        """
        problems = []
        for number, offsets in self._opening.items():
            assigned = AssignedPartition(
                partial(self._transaction, number, DURABLE_STORE),
                partial(self._transaction, number, EXPIRING_STORE),
                next_offset=offsets.committed or 0,
            )
            position = read_position(assigned.durable)
            problems.append(after_restore(offsets, position, self._config.consumer_group))
            self._partitions[number] = assigned
        require_none(problems)
        for number in self._opening:
            self._plan_tick(number, self._partitions[number])
        self._opening.clear()
        if self._assigned_at is not None:
            self._metrics.restored(time.perf_counter() - self._assigned_at)
            logger.info("partitions %s are assigned and restored", sorted(self._partitions))

    def _transaction(self, number: int, store_name: str) -> QuixTransaction:
        return cast(
            QuixTransaction,
            self._processing_context.checkpoint.get_store_transaction(
                stream_id=self._stream_id, partition=number, store_name=store_name
            ),
        )

    def _on_revoke(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        try:
            super()._on_revoke(consumer, topic_partitions)
        finally:
            self._forget(topic_partitions)

    def _on_lost(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        super()._on_lost(consumer, topic_partitions)
        self._forget(topic_partitions)
        raise PartitionsLostError(
            [f"{p.topic}[{p.partition}]" for p in topic_partitions if p.topic == self._input_topic]
        )

    def _forget(self, topic_partitions: list[TopicPartition]) -> None:
        for partition in topic_partitions:
            if partition.topic != self._input_topic:
                continue
            self._opening.pop(partition.partition, None)
            if self._partitions.pop(partition.partition, None) is not None:
                self._ticker.forget(partition.partition)
                self._processor.forget(partition.partition)

    def _observe_lag(self, statistics: str) -> None:
        ends = ends_from_statistics(statistics, self._input_topic)
        self._metrics.lag(
            {
                number: max(0, ends[number] - assigned.next_offset)
                for number, assigned in self._partitions.items()
                if number in ends
            }
        )
