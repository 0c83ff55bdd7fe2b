"""Kinds of command-line arguments: a stretch of time, an account."""

import re
import time
from typing import Any

import click

from schemas.base import UUID_PATTERN

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_ACCOUNT = re.compile(rf"(user|org):{UUID_PATTERN}")
_UUID = re.compile(UUID_PATTERN)


class _Since(click.ParamType[int]):
    """A time ago such as 30m; becomes epoch milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401 - click's
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            self.fail(
                f"expected a number with s, m, h or d, such as 30m; got {value!r}", param, ctx
            )
        ago_ms = int(match[1]) * _UNITS_MS[match[2]]
        return max(0, time.time_ns() // 1_000_000 - ago_ms)


class _Account(click.ParamType[str]):
    """An account's id; a UUID alone is a user's."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's
        account = str(value).strip().lower()
        if _UUID.fullmatch(account):
            return f"user:{account}"
        if not _ACCOUNT.fullmatch(account):
            self.fail(
                f"expected user:<uuid>, org:<uuid> or a user's UUID; got {value!r}", param, ctx
            )
        return account


SINCE = _Since()
ACCOUNT = _Account()
