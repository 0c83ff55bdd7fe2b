"""`leaky verify`: the command around the verification."""

import json
import sys

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from leaky.settings import CommandLineSettings
from leaky.verification.report import VerifyReport

_SHOWN_DIFFERENCES = 5


@click.command("verify")
@click.option("--partition", type=click.IntRange(min=0), help="Verify this partition alone.")
@click.option("--topic-prefix", help="Verify topics with this prefix (LEAKY_TOPICS_PREFIX).")
@click.option(
    "--whole-log",
    is_flag=True,
    help="Compare up to the log's end, not to what the pipeline has committed: for copied topics.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def verify_command(
    partition: int | None, topic_prefix: str | None, whole_log: bool, as_json: bool
) -> None:
    """Decide every command again and compare every published event, byte for byte.

    Replays accounts.commands from its start into an empty state. Exit code 0 when everything is
    as the log says, 1 otherwise, naming the first difference.
    """
    from leaky.verification.verify import verify  # brings the whole pipeline with it

    settings = CommandLineSettings.load()
    if topic_prefix is not None:
        settings = settings.model_copy(update={"topics_prefix": topic_prefix})
    bar = Progress(
        TextColumn("verifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("verifying", total=None)
        report = verify(
            settings,
            partition=partition,
            whole_log=whole_log,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else _described(report))
    sys.exit(0 if report.is_clean else 1)


def _described(report: VerifyReport) -> str:
    lines = [
        f"{report.commands:,} commands decided again",
        f"  from {report.records:,} records of {report.partitions} partitions",
        f"{report.events:,} events compared byte for byte",
        f"  with the digests of {report.reply_digests:,} replies",
        f"{report.chains:,} hash chains followed, {report.chain_links:,} links hold",
        f"{report.seconds:.1f} s, {report.commands_per_s:,.0f} commands/s",
        f"{report.difference_count:,} differences",
    ]
    if not report.is_clean:
        lines.append(f"The first: {report.differences[0]}")
        lines += [f"  then: {each}" for each in report.differences[1:_SHOWN_DIFFERENCES]]
    return "\n".join(lines)
