"""What an environment decides about its topics."""

from typing import Annotated

from pydantic import Field, StringConstraints

from service.settings import ServiceSettings

# Kafka's names take these characters, and 249 of them; our longest name leaves room for this.
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,80}$")]


class TopicsSettings(ServiceSettings):
    """The broker, and how topics are laid out on it."""

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092", description="Brokers to ask first, as host:port[,host:port…]."
    )
    topics_prefix: Prefix = Field(
        default="",
        description="Put before the name of every topic and consumer group, so that several "
        "systems can share a broker.",
    )
    topics_partitions: int = Field(
        default=12,
        ge=1,
        le=1000,
        description="Number of partitions of keyed topics and of replies. Fixed for a system's "
        "life: another number would move accounts.",
    )
    topics_replication_factor: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Number of replicas of every partition; 3 in production.",
    )
    topics_min_insync_replicas: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Number of replicas that must have a record before it counts; 2 in production.",
    )
