"""The internals of Quix Streams that pipelines/runtime relies on, as installed.

When an upgrade fails one of these, the runtime's use of it has to be looked at anew.
"""

import dataclasses
import inspect
from importlib.metadata import version

import confluent_kafka
from quixstreams import Application
from quixstreams.checkpointing import Checkpoint
from quixstreams.internal_consumer import InternalConsumer
from quixstreams.internal_producer import InternalProducer
from quixstreams.models.topics import TopicManager
from quixstreams.processing import ProcessingContext
from quixstreams.state import DEFAULT_STATE_STORE_NAME
from quixstreams.state.manager import StateStoreManager
from quixstreams.state.metadata import CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER
from quixstreams.state.recovery import RecoveryManager, RecoveryPartition
from quixstreams.state.rocksdb import RocksDBOptions
from quixstreams.state.rocksdb.transaction import RocksDBPartitionTransaction

from pipelines.runtime.application import DURABLE_STORE, EXPIRING_STORE
from pipelines.runtime.partition_stores import KEY_PREFIX
from topics.registry import CHANGELOGS, STATE_OWNERS


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def test_the_version_is_the_one_whose_source_was_read() -> None:
    assert version("quixstreams").startswith("3.28.")
    assert confluent_kafka.version() < "2.13"


def test_the_loop_calls_what_we_override_in_the_order_we_count_on() -> None:
    loop = inspect.getsource(Application._run_dataframe)
    steps = [
        "on_assign=self._on_assign",
        "on_revoke=self._on_revoke",
        "on_lost=self._on_lost",
        "processing_context.init_checkpoint()",
        "if state_manager.recovery_required:",
        "state_manager.do_recovery()",
        "process_message(dataframes_composed)",
        "processing_context.commit_checkpoint()",
        "processing_context.commit_checkpoint(force=True)",
    ]
    places = [loop.index(step) for step in steps]
    assert places == sorted(places)
    assert parameters(Application._process_message) == ["self", "dataframe_composed"]
    for callback in (Application._on_assign, Application._on_revoke, Application._on_lost):
        assert parameters(callback) == ["self", "_", "topic_partitions"]
    assert parameters(Application._get_internal_consumer) == [
        "self", "on_error", "extra_config_overrides",
    ]  # fmt: skip


def test_a_failed_application_does_not_commit_when_its_partitions_are_revoked() -> None:
    assert "self.stop(fail=fail)" in inspect.getsource(Application._exception_handler)
    revoke = inspect.getsource(Application._on_revoke)
    assert revoke.index("if self._failed:") < revoke.index("commit_checkpoint")


def test_a_lost_partition_is_dropped_and_nothing_raised_hence_our_override() -> None:
    lost = inspect.getsource(Application._on_lost)
    assert "_revoke_state_partitions" in lost
    assert "raise" not in lost


def test_the_processing_context_can_be_made_again_with_the_same_parts() -> None:
    names = {field.name for field in dataclasses.fields(ProcessingContext) if field.init}
    assert {"producer", "consumer", "state_manager", "exactly_once", "commit_interval"} <= names
    assert parameters(ProcessingContext.commit_checkpoint) == ["self", "force", "revoking"]
    commit = inspect.getsource(ProcessingContext.commit_checkpoint)
    # The commit comes before the next checkpoint, and an empty one is closed and replaced too.
    assert commit.index("self.checkpoint.commit(") < commit.index("self.init_checkpoint()")
    assert commit.index("self.checkpoint.close(") < commit.index("self.init_checkpoint()")


def test_state_is_flushed_only_after_the_transaction_with_its_changelog_was_committed() -> None:
    commit = inspect.getsource(Checkpoint.commit)
    steps = [
        "transaction.prepare(processed_offsets=processed_offsets)",
        "self._producer.flush()",
        "self._producer.commit_transaction(",
        "transaction.flush(changelog_offset=changelog_offset)",
    ]
    places = [commit.index(step) for step in steps]
    assert places == sorted(places)
    assert parameters(Checkpoint.get_store_transaction) == [
        "self", "stream_id", "partition", "store_name",
    ]  # fmt: skip
    assert parameters(Checkpoint.store_offset) == ["self", "topic", "partition", "offset"]


def test_the_transactional_producer_takes_an_explicit_partition() -> None:
    assert parameters(InternalProducer.produce)[:6] == [
        "self", "topic", "value", "key", "headers", "partition",
    ]  # fmt: skip
    assert "producer=self._producer," in inspect.getsource(Application.__init__)


def test_store_keys_are_our_prefix_a_separator_and_our_key() -> None:
    serialize = RocksDBPartitionTransaction._serialize_key
    transaction = RocksDBPartitionTransaction.__new__(RocksDBPartitionTransaction)
    assert serialize(transaction, b"key", KEY_PREFIX) == b"@|key"
    wanted = ["self", "key", "value", "prefix", "cf_name", "timestamp", "ttl"]
    assert parameters(RocksDBPartitionTransaction.set_bytes) == wanted


def test_options_that_we_set_exist() -> None:
    names = {field.name for field in dataclasses.fields(RocksDBOptions)}
    assert {"write_buffer_size", "block_cache_size", "max_evictions_per_flush"} <= names


def test_a_restore_reads_watermarks_from_the_consumer_and_skips_what_is_not_committed() -> None:
    generate = inspect.getsource(RecoveryManager._generate_recovery_partitions)
    assert "self._consumer.get_watermark_offsets(" in generate
    assert "self._consumer.assign(topic_partitions)" in inspect.getsource(
        Application._assign_partitions
    )
    should_apply = inspect.getsource(RecoveryPartition._should_apply_changelog)
    assert "if processed_offset >= committed_offsets[topic]" in should_apply
    assert CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER == "__processed_tp_offsets__"


def test_a_restore_ends_at_the_first_poll_that_finds_nothing() -> None:
    loop = inspect.getsource(RecoveryManager._recovery_loop)
    assert "self._consumer.poll(1)" in loop
    assert "self._update_recovery_status()" in loop
    for method in ("poll", "assign", "get_watermark_offsets"):
        assert hasattr(InternalConsumer, method)


def test_changelogs_have_the_names_that_topics_declares() -> None:
    for owner in STATE_OWNERS:
        assert owner.stores == (DURABLE_STORE, EXPIRING_STORE)
        for prefix in ("", "dev."):
            manager = TopicManager.__new__(TopicManager)
            manager._consumer_group = owner.group_on_broker(prefix)
            for store in owner.stores:
                named = manager._internal_name(
                    "changelog", owner.input.name_on_broker(prefix), store
                )
                declared = next(
                    topic.name_on_broker(prefix)
                    for topic in CHANGELOGS
                    if topic.owner is owner and topic.store == store
                )
                assert named == declared


def test_the_durable_store_has_the_name_that_quix_gives_the_default_one() -> None:
    assert DURABLE_STORE == DEFAULT_STATE_STORE_NAME
    assert parameters(StateStoreManager.register_store) == [
        "self", "stream_id", "store_name", "store_type", "changelog_config",
    ]  # fmt: skip
