"""`leaky explain`: what was behind an answer, from the events."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click
from pydantic import ValidationError

from leaky.parameters import ACCOUNT, SINCE
from leaky.partition_log import LogReader, partitions_of, whole_spans
from leaky.settings import CommandLineSettings
from leaky.text import limit_lines, moment, quota_line, violation_lines, wait
from schemas.events import (
    EVENT_ADAPTER,
    AllowanceChanged,
    DecisionFailed,
    Denied,
    Event,
    HoldExpired,
    LimitsSet,
    PolicyApplied,
    Reserved,
    Settled,
    StatusSet,
    TierSet,
    Voided,
)
from topics.partitioning import partition_of_account
from topics.registry import ACCOUNTS_EVENTS

_POLICY_APPLIED = b'"type":"policy-applied"'
_ANSWERED_WITHOUT_EVENT = (
    "Queries, repeats, and answers before the first policy leave no event; commands that were "
    "not decided are in `leaky dead-letters list`."
)


@dataclass(frozen=True, slots=True)
class _Found:
    """An event, the time at which it was published, and the policy it was decided under."""

    published_ms: int
    event: Event
    policy: PolicyApplied | None


@click.command("explain")
@click.argument("command_id")
@click.option("--since", type=SINCE, help="Look through the last 30m, 12h, 7d… of events.")
@click.option("--account", type=ACCOUNT, help="The command's account: reads its partition alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the events, one a line.")
def explain_command(command_id: str, since: int | None, account: str | None, as_json: bool) -> None:
    """Show the limits, levels and policy behind the answers to COMMAND-ID, newest first.

    Also what became of a hold that it made.
    """
    settings = CommandLineSettings.load()
    found = list(_events_of(settings, command_id, since, account))
    if not found:
        sys.exit(f"Error: no event names the command {command_id}. {_ANSWERED_WITHOUT_EVENT}")
    found.sort(key=_newest_first, reverse=True)
    for each in found:
        click.echo(each.event.to_json() if as_json else _explained(each))


def _newest_first(found: _Found) -> tuple[int, int, int]:
    seal = found.event.seal
    return (found.published_ms, *((seal.origin.offset, seal.origin.index) if seal else (0, 0)))


def _events_of(
    settings: CommandLineSettings, command_id: str, since_ms: int | None, account: str | None
) -> Iterator[_Found]:
    topic = ACCOUNTS_EVENTS.name_on_broker(settings.topics_prefix)
    partitions = partitions_of(settings, topic)
    chosen = range(partitions) if account is None else [partition_of_account(account, partitions)]
    mark = json.dumps(command_id).encode()
    with LogReader(settings) as reader:
        for span in whole_spans(settings, topic, chosen, since_ms).values():
            policies: dict[int, PolicyApplied] = {}
            for message in reader.read(span):
                value = message.value() or b""
                if mark not in value and _POLICY_APPLIED not in value:
                    continue
                event = _parsed(value)
                if isinstance(event, PolicyApplied):
                    policies[event.policy_version] = event
                if event is not None and _concerns(event, command_id, account):
                    policy = policies.get(event.policy_version)
                    yield _Found(message.timestamp()[1], event, policy)


def _parsed(value: bytes) -> Event | None:
    try:
        return EVENT_ADAPTER.validate_json(value)
    except ValidationError:
        return None  # not written by this system; `leaky verify` says so


def _concerns(event: Event, command_id: str, account: str | None) -> bool:
    if account is not None and event.account != account:
        return False
    return command_id in (event.command_id, getattr(event, "reserve_command_id", None))


def _explained(found: _Found) -> str:
    event = found.event
    lines = [f"{_headline(event)} at {moment(event.at_ms)}"]
    if event.account is not None:
        by = f", asked by {event.actor}" if event.actor else ""
        lines.append(f"account {event.account}{by}")
    lines += _details(event)
    named = found.policy and f"{found.policy.policy_name}, SHA-256 {found.policy.policy_digest}"
    lines.append(f"policy version {event.policy_version}" + (f" ({named})" if named else ""))
    if event.seal is not None:
        origin = event.seal.origin
        lines.append(
            f"command at {origin.topic}[{origin.partition}] offset {origin.offset}, its event "
            f"{origin.index}"
        )
        if event.seal.reply_digest:
            lines.append(f"reply's SHA-256 {event.seal.reply_digest}")
    return "\n  ".join(lines)


def _headline(event: Event) -> str:
    command = f" for {event.command_id}" if event.command_id else ""
    match event:
        case Denied():
            return f"{event.command} denied: {event.outcome}{command}"
        case Settled(late=True):
            return f"settled late{command}"
        case DecisionFailed():
            return f"{event.command} failed with {event.error}{command}"
        case _:
            return f"{event.type}{command}"


def _details(event: Event) -> Iterator[str]:
    provider, tokens = getattr(event, "provider", None), getattr(event, "tokens", None)
    if provider is not None:
        yield f"provider {provider}" + ("" if tokens is None else f", {tokens:,} tokens")
    if isinstance(event, Denied):
        yield from _refusals(event)
    yield from _what_was_set(event)
    if isinstance(event, Settled | Voided | HoldExpired):
        yield f"the hold of {event.reserve_command_id} held {event.held_tokens:,} tokens"
    if not isinstance(event, LimitsSet):
        yield from limit_lines(getattr(event, "limits", ()))
    quota = getattr(event, "quota", None)
    if quota is not None:
        yield quota_line(quota)


def _refusals(event: Denied) -> Iterator[str]:
    yield from violation_lines(event.violations)
    if event.violations:
        yield f"the same command passes {wait(event.retry_after_ms)}"
    if event.detail:
        yield event.detail


def _what_was_set(event: Event) -> Iterator[str]:
    match event:
        case Reserved():
            yield f"held until {moment(event.deadline_ms)} as {event.hold_id}"
        case AllowanceChanged():
            yield f"allowance {event.allowance_tokens:,}: {event.cause}"
        case TierSet():
            yield f"tier {event.tier or 'by default'}"
        case StatusSet():
            yield f"status {event.status}" + (f": {event.reason}" if event.reason else "")
        case LimitsSet():
            yield f"own limits: {', '.join(rule.name for rule in event.limits) or 'none'}"
        case _:
            pass
