"""How the accounts pipeline is wired to the runtime: its topic, its processor, its ticks."""

from pipelines.accounts.processor import AccountsProcessor
from pipelines.accounts.tally import PrometheusTally
from pipelines.runtime.processor import OutputRecord
from pipelines.runtime.run import run_pipeline
from pipelines.runtime.settings import RuntimeSettings
from schemas.commands import Tick
from service.metrics import Metrics
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_STATE

_TICK = Tick().to_json()


def tick_record(partition: int) -> OutputRecord:
    """The tick of one partition."""
    return OutputRecord(ACCOUNTS_COMMANDS.name, None, _TICK, partition=partition)


def run(settings: RuntimeSettings) -> int:
    """Run the pipeline until it is stopped; returns the process's exit code."""
    partitions = ACCOUNTS_COMMANDS.partitions(settings.topics_partitions)

    def processor(metrics: Metrics) -> AccountsProcessor:
        return AccountsProcessor(partitions, PrometheusTally(metrics))

    return run_pipeline(ACCOUNTS_STATE, processor, tick_record, settings)
