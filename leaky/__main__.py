"""`leaky`, or `python -m leaky`: the command line."""

import sys

import click
from confluent_kafka import KafkaException

from leaky.accounts import accounts_group
from leaky.dead_letters import dead_letters_group
from leaky.explain import explain_command
from leaky.failures import ExpectedFailureError
from leaky.policy import policy_group
from leaky.produce import produce_command
from leaky.run import run_command
from leaky.verify import verify_command
from topics.admin import BrokerUnreachableError
from topics.issuer_keys import IssuerKeyError

_EXPECTED_FAILURES = (ExpectedFailureError, BrokerUnreachableError, IssuerKeyError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def leaky() -> None:
    """Leaky Tokens: run the system, prove it, ask it and administer it.

    Settings come from LEAKY_… variables; what they leave out is taken from the system that
    `leaky run` has started with this data folder.
    """


for command in (
    run_command,
    verify_command,
    explain_command,
    accounts_group,
    policy_group,
    dead_letters_group,
    produce_command,
):
    leaky.add_command(command)


def main() -> None:
    """Run the command line; what can be expected to go wrong is a line, not a traceback."""
    try:
        leaky(prog_name="leaky")
    except _EXPECTED_FAILURES as error:
        sys.exit(f"Error: {error}")
    except KafkaException as error:
        sys.exit(f"Error: the Kafka client says: {error.args[0]}")


if __name__ == "__main__":
    main()
