"""`leaky policy`: what the system decides by, and publishing the next version of it."""

import json
from typing import TextIO

import click
from pydantic import ValidationError

from leaky.issuing import current_policy
from leaky.settings import CommandLineSettings
from schemas.policies import PolicyDocument
from topics.issuer_keys import issuer_trusted_by
from topics.policy_publication import (
    PolicyNotConfirmedError,
    PolicyRefusedError,
    publish_policy,
)

_MAX_NAMED_ERRORS = 5


@click.group("policy")
def policy_group() -> None:
    """Show the policy in force; publish the next version of it."""


@policy_group.command("show")
def show() -> None:
    """Print the latest published policy as JSON, as `publish` takes it."""
    current = current_policy(CommandLineSettings.load())
    click.echo(json.dumps(json.loads(current.to_json()), indent=2))


@policy_group.command("publish")
@click.argument("file", type=click.File(encoding="utf-8"))
def publish(file: TextIO) -> None:
    """Publish the policy in FILE (- for stdin) and wait until every partition has applied it.

    Its version must be higher than the latest one's. It is signed with a key of the data folder
    that the latest policy names.
    """
    settings = CommandLineSettings.load()
    document = _parsed(file.read(), file.name)
    current = current_policy(settings)
    if document.version < current.version or (
        document.version == current.version and document != current
    ):
        raise click.ClickException(
            f"expected a version above {current.version}, which is published; got "
            f'{document.version}. Set "version": {current.version + 1} in {file.name}.'
        )
    issuer = issuer_trusted_by(current.issuers, settings.data_dir)
    try:
        published = publish_policy(settings, document, issuer)
    except (PolicyRefusedError, PolicyNotConfirmedError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        f"policy {document.name} version {document.version} applied by every partition "
        f"(SHA-256 of its command {published.digest})"
    )


def _parsed(text: str, name: str) -> PolicyDocument:
    try:
        return PolicyDocument.model_validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [
            f"  {'.'.join(str(part) for part in problem['loc']) or 'policy'}: {problem['msg']}"
            for problem in problems[:_MAX_NAMED_ERRORS]
        ]
        raise click.ClickException(
            "\n".join([f"{name} is no policy, {len(problems)} problems:", *lines])
        ) from None
