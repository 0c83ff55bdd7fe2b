"""What can be expected to go wrong at the command line: a line of text, never a traceback."""


class ExpectedFailureError(RuntimeError):
    """Base of errors whose text says what was expected, what came, and what to do."""
