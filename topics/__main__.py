"""`python -m topics`: create the declared topics, compare a broker with them, describe them."""

import sys

import click
from rich.console import Console
from rich.table import Table

from service.settings import EXIT_NEEDS_A_PERSON
from topics.admin import (
    BrokerUnreachableError,
    TopicRefusedError,
    TopicsDifferError,
    create_topics,
    describe_topics,
    require_topics,
)
from topics.genesis import GenesisError, ensure_genesis
from topics.issuer_keys import IssuerKeyError
from topics.registry import TOPICS, Topic
from topics.settings import TopicsSettings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def topics() -> None:
    """The declared topics: create, verify and describe them; print the AsyncAPI document.

    Settings come from LEAKY_… variables. Exit codes: 0 done, 1 no broker answers, 78 the broker's
    topics are not as declared and a person must look.
    """


@topics.command()
def create() -> None:
    """Create what is missing, then the first policy; touches nothing that exists."""
    settings = TopicsSettings.load()
    created = create_topics(settings)
    for name in created:
        click.echo(f"created {name}")
    click.echo(f"{len(created)} topics created, {len(TOPICS) - len(created)} were there")
    require_topics(settings)
    genesis = ensure_genesis(settings)
    made = "made" if genesis.made else "kept"
    click.echo(
        f"first policy {made}: {genesis.policy.command.command_id}, SHA-256 "
        f"{genesis.policy.digest}; sent to {len(genesis.sent_to)} partitions"
    )


@topics.command()
def verify() -> None:
    """Compare the broker's topics with the declared ones and name every difference."""
    require_topics(TopicsSettings.load())
    click.echo(f"{len(TOPICS)} topics are as declared")


@topics.command()
def describe() -> None:
    """Show the declared topics beside what the broker has."""
    settings = TopicsSettings.load()
    found = describe_topics(settings)
    table = Table(title=f"Topics at {settings.kafka_bootstrap_servers}")
    for heading in ("topic", "partitions", "replicas", "kept", "written by", "read by"):
        table.add_column(heading, overflow="fold")
    for topic in TOPICS:
        name = topic.name_on_broker(settings.topics_prefix)
        here = found.get(name)
        table.add_row(
            name,
            str(here.partitions) if here else "[red]missing[/red]",
            str(here.replication_factor) if here else "",
            _kept(topic),
            ", ".join(sorted(topic.producers)),
            ", ".join(sorted(topic.consumers)),
        )
    Console().print(table)


@topics.command()
def asyncapi() -> None:
    """Print the AsyncAPI 3 document (YAML)."""
    from topics.asyncapi import rendered  # schemas take time to generate

    click.echo(rendered(), nl=False)


def _kept(topic: Topic) -> str:
    if topic.config["cleanup.policy"] == "compact":
        return "latest per key"
    retention_ms = int(topic.config["retention.ms"])
    if retention_ms < 0:
        return "for ever"
    minutes = retention_ms // 60_000
    return f"{minutes} min" if minutes < 24 * 60 else f"{minutes // (24 * 60)} days"


def main() -> None:
    """Run the command line; differences and an absent broker are messages, not tracebacks."""
    try:
        topics()
    except BrokerUnreachableError as error:
        sys.exit(str(error))
    except (TopicsDifferError, TopicRefusedError, GenesisError, IssuerKeyError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_NEEDS_A_PERSON)


if __name__ == "__main__":
    main()
