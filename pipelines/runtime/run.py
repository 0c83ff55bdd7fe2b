"""Runs a pipeline as a process: what each pipeline's `__main__` calls."""

import logging
from collections.abc import Callable, Iterable

from quixstreams.models.topics.exceptions import TopicConfigurationMismatch, TopicNotFoundError
from quixstreams.state.exceptions import InvalidStoreChangelogOffset, StateRecoveryOffsetOutOfRange

from pipelines.runtime.application import PipelineApplication
from pipelines.runtime.failures import EXIT_FAILED, EXIT_STOPPED, PipelineError
from pipelines.runtime.metrics import PrometheusRuntimeMetrics
from pipelines.runtime.processor import OutputRecord, Processor
from pipelines.runtime.settings import RuntimeSettings
from pipelines.runtime.state_folders import delete_idle_stores
from pipelines.runtime.ticker import wall_clock_ms
from service.logging import configure_logging
from service.metrics import Metrics
from service.metrics_server import start_metrics_server
from service.settings import EXIT_NEEDS_A_PERSON
from topics.admin import TopicsDifferError, require_topics
from topics.registry import TOPICS, StateOwner, Topic

logger = logging.getLogger(__name__)

ProcessorFactory = Callable[[Metrics], Processor]
"""Makes the pipeline's processor, which may count in the process's metrics."""

TickRecord = Callable[[int], OutputRecord]
"""Makes the tick command of one partition."""

_NEEDS_A_PERSON = (
    TopicsDifferError,
    TopicNotFoundError,
    TopicConfigurationMismatch,
    # The state is ahead of its changelog: that was made anew.
    InvalidStoreChangelogOffset,
    # The log no longer has what the state would need.
    StateRecoveryOffsetOutOfRange,
)


def run_pipeline(
    owner: StateOwner,
    processor_factory: ProcessorFactory,
    tick_record: TickRecord,
    settings: RuntimeSettings,
    topics: Iterable[Topic] = TOPICS,
) -> int:
    """Run the pipeline until SIGTERM or a failure; returns the process's exit code.

    0 after SIGTERM with everything committed, 78 when a person must look first, else 1: then a
    supervisor starts the process again. `topics` must be on the broker as declared. Belongs on the
    main thread.
    """
    configure_logging(settings.process_name(owner), settings.log_level)
    metrics = Metrics(owner.package.replace(".", "-"))
    try:
        require_topics(settings, topics)
        delete_idle_stores(settings.state_folder(owner), settings.state_idle_days, wall_clock_ms())
        application = PipelineApplication(
            owner,
            processor_factory(metrics),
            tick_record,
            PrometheusRuntimeMetrics(metrics),
            settings,
        )
        server = start_metrics_server(
            settings.metrics_port,
            metrics,
            {"partitions": lambda: None if application.ready else "none assigned and restored yet"},
            settings.metrics_host,
        )
        logger.info("metrics and health on port %d", server.port)
        application.run_until_stopped()
    except Exception as error:  # noqa: BLE001 - whatever it was, it is logged and ends the process
        return _exit_code_of(error)
    return EXIT_STOPPED


def _exit_code_of(error: Exception) -> int:
    """Log why the process ends, and say how."""
    cause = root_failure(error)
    if isinstance(cause, PipelineError):
        logger.critical("%s", cause)
        return cause.exit_code
    if isinstance(cause, _NEEDS_A_PERSON):
        logger.critical("%s", cause)
        return EXIT_NEEDS_A_PERSON
    logger.critical("the process ends by an error", exc_info=error)
    return EXIT_FAILED


def root_failure(error: BaseException) -> BaseException:
    """The failure that we know by type among an error and its causes, else the error itself.

    What a rebalance callback raises arrives wrapped by Quix Streams.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (PipelineError, *_NEEDS_A_PERSON)):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error
