"""Why a pipeline's process ends, and with which exit code.

A process never continues past one of these: what it holds in memory may not be what the log says.
"""

from service.settings import EXIT_NEEDS_A_PERSON

EXIT_STOPPED = 0
EXIT_FAILED = 1
"""A supervisor starts the process again. It does not after `EXIT_NEEDS_A_PERSON`."""


class PipelineError(RuntimeError):
    """Ends the process. `exit_code` tells the supervisor whether to start it again."""

    exit_code = EXIT_FAILED


class NeedsAPersonError(PipelineError):
    """Ends the process until somebody has looked."""

    exit_code = EXIT_NEEDS_A_PERSON


class PartitionsLostError(PipelineError):
    """The group gave our partitions to others while we were away."""

    def __init__(self, partitions: list[str]) -> None:
        super().__init__(
            f"the consumer group took {', '.join(partitions)} away before they were committed; "
            "ending, so that nothing is committed twice (the next start takes part again)"
        )


class ChangelogUnsettledError(PipelineError):
    """Somebody's transaction stayed open on a changelog longer than transactions may last."""

    def __init__(self, partitions: list[str], waited_s: float) -> None:
        super().__init__(
            f"{', '.join(partitions)} still had open transactions after {waited_s:.0f} s; "
            "state restored from them now would be behind"
        )


class PromptDeliveryError(PipelineError):
    """A reply, a command or a tick could not be delivered, and trying again will not help."""

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(f"a record for {topic} could not be delivered: {reason}")


class WrongTimestampTypeError(NeedsAPersonError):
    """The input topic carries its producers' times; decisions need the broker's."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(
            f"{topic}[{partition}] offset {offset} does not carry the broker's append time; "
            f"set message.timestamp.type=LogAppendTime on {topic}"
        )


class OffsetsDisagreeError(NeedsAPersonError):
    """A partition's committed offset is not the one that its state has reached."""
