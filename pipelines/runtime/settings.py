"""Settings of a pipeline's process."""

from pathlib import Path

from pydantic import Field

from topics.registry import StateOwner
from topics.settings import TopicsSettings


class RuntimeSettings(TopicsSettings):
    """Every pipeline's process: its brokers, its slot, how fast it commits and fails over."""

    slot: int = Field(
        default=0,
        ge=0,
        description=(
            "Number of this process among those of its pipeline. It names the process to Kafka and "
            "its state folder: stable over restarts, no two processes may share one."
        ),
    )
    commit_interval_ms: int = Field(
        default=100,
        ge=10,
        le=5_000,
        description="Least milliseconds between checkpoints; events become visible with them.",
    )
    commit_interval_longest_ms: int = Field(
        default=1_000,
        ge=10,
        le=5_000,
        description=(
            "Most milliseconds between checkpoints. Where a commit takes long, checkpoints get "
            "rarer than the commit interval says, so that deciding has nine tenths of the time."
        ),
    )
    consumer_poll_timeout_ms: int = Field(
        default=20,
        ge=1,
        le=1_000,
        description="Milliseconds that an idle process waits for a record before it looks around.",
    )
    session_timeout_ms: int = Field(
        default=6_000,
        ge=1_000,
        description="Milliseconds of silence after which a process's partitions go to others.",
    )
    transaction_timeout_ms: int = Field(
        default=10_000,
        ge=1_000,
        description="Milliseconds after which the broker ends a dead process's transaction.",
    )
    state_write_buffer_mib: int = Field(
        default=4, ge=1, le=64, description="MiB that RocksDB gathers a store and partition."
    )
    state_block_cache_mib: int = Field(
        default=64, ge=1, description="MiB of state blocks that all partitions keep in memory."
    )
    state_idle_days: int = Field(
        default=7,
        ge=1,
        le=25,
        description=(
            "Days after which an unused state folder is deleted at start. It must stay below the "
            "changelogs' delete.retention.ms: older state may hold keys deleted since."
        ),
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65_535, description="Port of metrics and health; 0 takes a free one."
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address that metrics and health listen on."
    )

    def process_name(self, owner: StateOwner) -> str:
        """Name of this process: group.instance.id, transactional.id and state folder alike."""
        return f"{owner.group_on_broker(self.topics_prefix)}-{self.slot}"

    def state_folder(self, owner: StateOwner) -> Path:
        """Folder of this process's stores; no other process may use it."""
        return self.data_dir / "state" / self.process_name(owner)
