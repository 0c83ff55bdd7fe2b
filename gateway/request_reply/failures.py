"""Why a command got no answer."""


class NoAnswerError(Exception):
    """Base: the command has no reply; `command_id` names it for a safe retry."""

    def __init__(self, command_id: str, sentence: str) -> None:
        super().__init__(sentence)
        self.command_id = command_id


class NotSentError(NoAnswerError):
    """The command did not leave: it was not and will not be decided."""


class TooManyInFlightError(NotSentError):
    """As many commands are under way as this worker may wait for."""


class NoReplyInTimeError(NoAnswerError):
    """Sent, but nothing came within the deadline: whether it was decided is not known."""


class NotConfirmedError(NoAnswerError):
    """A settle or void that no broker has confirmed yet; sending goes on in the background."""
