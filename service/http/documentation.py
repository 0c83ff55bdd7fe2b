"""The OpenAPI document and a docs page that needs neither scripts nor the internet.

The page is plain HTML made from the document: the viewers Litestar offers load their scripts
from a content delivery network, which a closed network does not reach.
"""

import json
from html import escape
from typing import Any

from litestar import Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

OPENAPI_PATHS = ("/openapi.json", "/v3/api-docs")
DOCS_PATHS = ("/docs", "/swagger-ui.html")

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto }
section { border-top: 1px solid #ddd; padding: .5rem 0 }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem 1rem .2rem 0 }
h2 code { background: #e8eef7; padding: .1rem .4rem }
"""


def openapi_config(title: str, version: str, description: str) -> OpenAPIConfig:
    """The document at /openapi.json, the page at /docs, both with their aliases."""
    return OpenAPIConfig(
        title=title,
        version=version,
        description=description,
        path="/",
        render_plugins=[JsonRenderPlugin(path=list(OPENAPI_PATHS)), DocsPage()],
        components=Components(
            security_schemes={
                "bearerAuth": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                "apiKeyAuth": SecurityScheme(
                    type="apiKey", name="X-Api-Key", security_scheme_in="header"
                ),
            }
        ),
    )


class DocsPage(OpenAPIRenderPlugin):
    """Renders the document as one static page."""

    def __init__(self) -> None:
        super().__init__(path=list(DOCS_PATHS))

    def receive_router(self, router: Router) -> None:
        """Drop what Litestar adds at `/`: its own page there and its HTML answer to any path."""
        wanted = {*OPENAPI_PATHS, *DOCS_PATHS}
        router.routes[:] = [route for route in router.routes if route.path in wanted]

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page as UTF-8 HTML."""
        del request  # the page is the same for everyone
        info = openapi_schema["info"]
        schemas = openapi_schema.get("components", {}).get("schemas", {})
        parts = [
            "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>",
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
            f"<p>{escape(info.get('description', ''))}</p>",
            f"<p>Machine-readable: <a href='{OPENAPI_PATHS[0]}'>{OPENAPI_PATHS[0]}</a></p>",
        ]
        for path, item in sorted(openapi_schema.get("paths", {}).items()):
            for method, operation in item.items():
                if isinstance(operation, dict) and "responses" in operation:
                    parts.append(_operation(path, method, operation))
        parts.append("<h1>Bodies</h1>")
        for name, schema in sorted(schemas.items()):
            parts.append(f"<section><h2 id='{escape(name)}'>{escape(name)}</h2>")
            parts.append(f"<pre>{escape(json.dumps(schema, indent=2))}</pre></section>")
        parts.append("</body></html>")
        return "".join(parts).encode()


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>",
        f"<p>{escape(operation.get('summary') or '')}</p>",
        f"<p>{escape(operation.get('description') or '')}</p>",
    ]
    if parameters := operation.get("parameters"):
        parts.append("<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>")
        parts += [
            f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
            f"<td>{escape(item.get('description') or '')}</td></tr>"
            for item in parameters
        ]
        parts.append("</table>")
    if body := operation.get("requestBody"):
        parts.append(f"<p>Request body: {_schema_links(body)}</p>")
    parts.append("<table><tr><th>Status</th><th>Meaning</th><th>Body</th></tr>")
    parts += [
        f"<tr><td>{escape(status)}</td><td>{escape(response.get('description') or '')}</td>"
        f"<td>{_schema_links(response)}</td></tr>"
        for status, response in operation["responses"].items()
    ]
    parts.append("</table></section>")
    return "".join(parts)


def _schema_links(holder: dict[str, Any]) -> str:
    names = {
        media["schema"]["$ref"].rsplit("/", 1)[-1]
        for media in holder.get("content", {}).values()
        if "$ref" in media.get("schema", {})
    }
    return ", ".join(f"<a href='#{escape(name)}'>{escape(name)}</a>" for name in sorted(names))
