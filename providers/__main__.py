"""`python -m providers --name qwen|gemini|openai`: a stub of that provider."""

from functools import partial

import click

from providers.catalogue import PROVIDER_NAMES
from providers.stubs.application import create_application
from providers.stubs.settings import StubSettings
from service.run import Listener, run_service


@click.command()
@click.option("--name", type=click.Choice(PROVIDER_NAMES), required=True, help="Which provider.")
def main(name: str) -> None:
    """Serve the stub of a provider until told to stop."""
    settings = StubSettings.load()
    ports = {
        "qwen": settings.qwen_port,
        "gemini": settings.gemini_port,
        "openai": settings.openai_port,
    }
    run_service(
        partial(create_application, name, settings),
        Listener.of(settings, f"{name}-stub", ports[name]),
    )


if __name__ == "__main__":
    main()
