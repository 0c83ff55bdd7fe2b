"""Logs: one JSON object a line on stderr, with UTC time, correlation ids and no secrets."""

import logging
import sys
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from service import correlation, redaction

_LIBRARIES_KEPT_QUIET = ("httpx2", "httpcore2", "asyncio", "quixstreams.state", "yoyo")

GRANIAN_LOGGING: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "level": "INFO", "propagate": True},
        "granian.access": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
"""For granian's `log_dictconfig`: its loggers hand their lines to the root logger, to us."""


def configure_logging(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Route structlog, the standard library's logging and uncaught exceptions to JSON lines.

    `service` is written into every line; `stream` is stderr unless a test gives another.
    """

    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_correlation,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        add_service,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.EventRenamer("message"),
                _redact_event,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LIBRARIES_KEPT_QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; call it with a constant sentence and the facts as keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _add_correlation(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key, variable in (
        ("correlation_id", correlation.correlation_id),
        ("command_id", correlation.command_id),
    ):
        value = variable.get()
        if value is not None:
            event.setdefault(key, value)
    return event


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return redaction.redact_mapping(event)


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger("service").critical("uncaught exception", exc_info=(kind, error, trace))
