"""Takes secrets out of what is about to be logged, by the name of the key and by their look."""

import re
from collections.abc import Mapping

REDACTED = "[redacted]"

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|token$|^tokens?_?raw|api_?key$|raw_?key|authorization|"
    r"private_?key|encryption_?key|signing_?key$|cookie|^pem$",
    re.IGNORECASE,
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"\b([a-z0-9]+)_([0-9a-f-]{36})_[0-9a-f]{48}\b"), rf"\1_\2_{REDACTED}"),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*-----|$)", re.DOTALL),
        REDACTED,
    ),
    (re.compile(r"(\w+://[^\s:/@]*):[^\s@/]+@"), rf"\1:{REDACTED}@"),
    (re.compile(r"\b(password|passwd|pwd)=('[^']*'|\S+)", re.IGNORECASE), rf"\1={REDACTED}"),
)


def redact_text(text: str) -> str:
    """The text without bearer credentials, JWTs, API keys, private keys and DSN passwords.

    An API key keeps its prefix and owner, so that a log line still says whose key it was.
    """
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: object) -> object:
    """The value with every secret in it replaced, at any depth of mappings and sequences."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return redact_mapping(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item) for item in value]
    if isinstance(value, bytes):
        return redact_text(value.decode("utf-8", "replace"))
    return value


def redact_mapping(mapping: Mapping[str, object]) -> dict[str, object]:
    """A new dict in which values under a secret's name are replaced and the others redacted."""
    return {key: _redact_item(str(key), item) for key, item in mapping.items()}


def _redact_item(key: str, value: object) -> object:
    # Numbers stay: `tokens` and `usage_token` count, they do not open anything.
    if _SECRET_KEY.search(key) and not isinstance(value, (int, float, bool, type(None))):
        return REDACTED
    return redact(value)
