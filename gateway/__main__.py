"""`python -m gateway`: serve until told to stop."""

from functools import partial

from gateway.application import SERVICE_NAME, create_application
from gateway.settings import GatewaySettings
from service.logging import configure_logging
from service.run import Listener, run_service
from topics.admin import verify_or_exit
from topics.registry import ACCOUNTS_COMMANDS, REPLIES


def main() -> None:
    """Check the topics that the gateway uses, then serve; ends with 78 when they differ."""
    settings = GatewaySettings.load()
    configure_logging(SERVICE_NAME, settings.log_level)
    verify_or_exit(settings, (ACCOUNTS_COMMANDS, REPLIES))
    run_service(
        partial(create_application, settings),
        Listener.of(settings, SERVICE_NAME, settings.gateway_port, settings.gateway_workers),
    )


if __name__ == "__main__":
    main()
