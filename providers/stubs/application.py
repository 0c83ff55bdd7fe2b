"""Serves one stub."""

from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from providers.stubs.behaviour import Behaviour
from providers.stubs.gemini import generate_content
from providers.stubs.openai import complete_chat
from providers.stubs.qwen import generate_text
from providers.stubs.settings import StubSettings
from service.http.application import Parts, ServiceDescription, build_application
from service.http.edge import Edge
from service.metrics import Metrics

ROUTES: dict[str, HTTPRouteHandler] = {
    "qwen": generate_text,
    "gemini": generate_content,
    "openai": complete_chat,
}


def create_application(name: str, settings: StubSettings) -> Edge:
    """The ASGI application of the stub of that name."""
    behaviour = Behaviour(settings)
    return build_application(
        Parts(
            description=ServiceDescription(
                title=f"Stub of {name}",
                version="1.0",
                description="Speaks the provider's interface; headers X-Stub-… steer the answer.",
            ),
            metrics=Metrics(f"{name}-stub"),
            routes=[ROUTES[name]],
            dependencies={"behaviour": Provide(lambda: behaviour, sync_to_thread=False)},
        )
    )
