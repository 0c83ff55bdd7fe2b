"""The commands of accounts-log-v1: 10,000 by a seeded generator, every sort and every outcome.

What it makes depends on its seed alone, and not on what the pipeline decides.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.runtime.processor import Record
from schemas.hold_ids import HoldOrigin, encode_hold_id
from schemas.signing import Issuer, sign
from topics.partitioning import partition_of_account

TOPIC = "accounts.commands"
PARTITIONS = 12
OURS = (0, 5, 11)
"""The partitions that the log has."""

START_MS = 1_764_547_200_000
COMMANDS = 10_000
SEED = 20_251_201

OLD_ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"the golden log's first issuer..."))
NEW_ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"the golden log's second issuer.."))

Body = dict[str, Any]


def policy(version: int) -> Body:
    """One of the log's policies; each differs from the one before in what it means."""
    tight = version % 2 == 0
    issuer = OLD_ISSUER if version <= 3 else NEW_ISSUER
    tiers: Body = {
        "FREE": {
            "allowances": {"*": 15_000 if tight else 20_000},
            "window": {"lengthMs": 3_600_000},
        },
        "ORG": {"multiplier": 5, "allowances": {"qwen": 60_000}},
    }
    if version != 4:
        tiers["PRO"] = {"priority": 3, "multiplier": 4, "allowances": {"*": 90_000, "openai": 5000}}
    return {
        "name": "golden",
        "version": version,
        "timeZoneData": "none",
        "providers": ["qwen", "openai"] if version == 5 else ["qwen", "gemini", "openai"],
        "tiers": tiers,
        "tierAliases": {"USER": "FREE"},
        "defaultTiers": {"user": "FREE", "org": "ORG"},
        "limits": {
            "*": [
                {"kind": "leaky-bucket", "name": "tokens", "capacity": 1000, "amount": 40},
                {"kind": "concurrency", "name": "at-once", "limit": 2, "scaled": False},
            ],
            "openai": [
                {
                    "kind": "leaky-bucket" if tight else "token-bucket",
                    "name": "tokens",
                    "capacity": 700 if tight else 900,
                    "amount": 11,
                    "periodMs": 333 if tight else 777,
                },
                {
                    "kind": "fixed-window",
                    "name": "per-minute",
                    "unit": "requests",
                    "limit": 12,
                    "windowMs": 30_000 if version == 3 else 60_000,
                },
                {"kind": "concurrency", "name": "held", "unit": "tokens", "limit": 500},
            ],
        },
        "holdTtlMs": 20_000,
        "recentCommandTtlMs": 120_000,
        "closedHoldTtlMs": 600_000,
        "maxOpenHolds": 3,
        "issuers": [json.loads(issuer.public().to_json())],
    }


@dataclass
class Partition:
    """What the generator knows of one partition's log."""

    number: int
    accounts: list[str]
    at_ms: int = START_MS
    offset: int = 0
    version: int = 1
    holds: list[tuple[str, str, int]] = field(default_factory=list)
    """(account, hold id, tokens) of reserves, granted or not."""
    said: list[Body] = field(default_factory=list)
    """Commands to repeat."""

    def record(self, value: bytes) -> Record:
        record = Record(TOPIC, self.number, self.offset, self.at_ms, None, value)
        self.offset += 1
        return record


def _accounts(partition: int, users: int, orgs: int) -> list[str]:
    found: list[str] = []
    for sort, many in (("user", users), ("org", orgs)):
        number = 0
        while sum(name.startswith(sort) for name in found) < many:
            name = f"{sort}:9d3f0000-0000-4000-8000-{number:012x}"
            if partition_of_account(name, PARTITIONS) == partition:
                found.append(name)
            number += 1
    return found


class Author:
    """Writes the log, command by command."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = 0
        self._partitions = [Partition(number, _accounts(number, 12, 3)) for number in OURS]

    def records(self, commands: int) -> Iterator[Record]:
        """Records of `commands` commands in all, policies and ticks included."""
        for partition in self._partitions:
            yield partition.record(self._publication(partition, 1))
            commands -= 1
        while commands > 0:
            partition = self._random.choice(self._partitions)
            self._let_time_pass(partition)
            chance = self._random.random()
            if chance < 0.02:
                yield partition.record(b'{"type":"tick"}')
                commands -= 1
            elif chance < 0.024:
                yield partition.record(self._next_policy(partition))
                commands -= 1
            elif chance < 0.75:
                yield partition.record(_bytes(self._command(partition, 0)))
                commands -= 1
            else:
                many = min(commands, self._random.randint(2, 6))
                members = [self._command(partition, place) for place in range(many)]
                yield partition.record(_bytes(members))
                commands -= many

    def _let_time_pass(self, partition: Partition) -> None:
        step = self._random.choices(
            ["same", "back", "short", "long", "longer"], [300, 50, 550, 95, 5]
        )[0]
        low, high = {
            "same": (0, 0),
            "back": (-50, 0),
            "short": (1, 900),
            "long": (1000, 12_000),
            "longer": (60_000, 9_000_000),
        }[step]
        partition.at_ms += self._random.randint(low, high)

    def _publication(self, partition: Partition, version: int) -> bytes:
        issuer = OLD_ISSUER if version <= 4 else NEW_ISSUER
        command = {
            "type": "policy",
            "commandId": f"policy-{version}",
            "replyTo": "replies/1",
            "policy": policy(version),
        }
        partition.version = max(partition.version, version)
        return _bytes(sign(command, issuer.key_id, issuer.private_key))

    def _next_policy(self, partition: Partition) -> bytes:
        lower = self._random.random() < 0.3
        version = self._random.randint(1, partition.version) if lower else partition.version + 1
        return self._publication(partition, version)

    def _command(self, partition: Partition, place: int) -> Body:
        chance = self._random.random()
        if chance < 0.05 and partition.said:
            return self._repeated(partition)
        if chance < 0.055:
            partition = self._random.choice(self._partitions)  # perhaps misrouted
        busy = partition.accounts[:3] + partition.accounts[-1:]
        account = self._random.choice(busy if self._random.random() < 0.7 else partition.accounts)
        self._numbers += 1
        body: Body = {"commandId": f"c-{self._numbers}", "account": account}
        if self._random.random() < 0.9:
            body["replyTo"] = f"replies/{self._random.randint(0, 3)}"
        if self._random.random() < 0.1:
            body["actor"] = "user:somebody"
        sort = self._random.choices(
            ["consume", "reserve", "end", "query", "privileged"], [34, 28, 26, 4, 8]
        )[0]
        match sort:
            case "consume" | "reserve":
                body |= self._admission(partition, body, sort, place)
            case "end":
                body |= self._ending(partition)
            case "query":
                body |= {"type": "query"}
                if self._random.random() < 0.5:
                    body["provider"] = self._provider()
            case _:
                body = self._privileged(partition, body)
        partition.said = [*partition.said[-40:], body]
        return body

    def _repeated(self, partition: Partition) -> Body:
        body = self._random.choice(partition.said)
        if self._random.random() < 0.2 and "tokens" in body and "signature" not in body:
            return body | {"tokens": body["tokens"] + 1}
        return body

    def _provider(self) -> str:
        return self._random.choices(["qwen", "openai", "gemini", "nobody"], [50, 35, 13, 2])[0]

    def _admission(self, partition: Partition, body: Body, sort: str, place: int) -> Body:
        tokens = self._random.choice([1, 10, 40, 40, 150, 150, 300, 701, 1001])
        said: Body = {"type": sort, "provider": self._provider(), "tokens": tokens}
        if sort == "reserve":
            if self._random.random() < 0.5:
                said["holdTtlMs"] = self._random.choice([1000, 2500, 9000, 60_000])
            origin = HoldOrigin(body["account"], partition.number, partition.offset, place)
            partition.holds = [
                *partition.holds[-30:],
                (body["account"], encode_hold_id(origin), tokens),
            ]
        if self._random.random() < 0.1:
            said |= {"model": "m-1", "labels": {"team": "blue"}, "requestDigest": "ab" * 32}
        return said

    def _ending(self, partition: Partition) -> Body:
        if not partition.holds or self._random.random() < 0.01:
            return {"type": "void", "holdId": "hold_this-is-none-of-ours"}
        recent = self._random.random() < 0.8
        account, hold_id, tokens = self._random.choice(partition.holds[-5 if recent else 0 :])
        said: Body = {"holdId": hold_id}
        if self._random.random() < 0.97:
            said["account"] = account
        if self._random.random() < 0.3:
            return said | {"type": "void", "reason": "provider failed"}
        tokens = self._random.choice([tokens, tokens, tokens // 2, 0, tokens * 2, tokens * 9])
        return said | {"type": "settle", "tokens": tokens}

    def _privileged(self, partition: Partition, body: Body) -> Body:
        provider, tokens = self._provider(), self._random.choice([10, 300, 2000])
        status = self._random.choice(["open", "open", "suspended", "closed"])
        every: list[Body] = [
            {"type": "allocate", "provider": provider, "tokens": tokens},
            {"type": "revoke", "provider": provider, "tokens": tokens},
            {"type": "set-tier", "tier": self._random.choice(["PRO", "USER", None, "GOLD"])},
            {"type": "set-status", "status": status, "reason": "a reason"},
            {"type": "set-status", "status": "open"},
            {"type": "set-status", "status": "open", "reason": ""},
            {"type": "set-limits", "provider": provider, "limits": self._own_limits()},
        ]
        command = body | self._random.choice(every)
        if self._random.random() < 0.03:
            return command
        issuer = OLD_ISSUER if partition.version <= 3 else NEW_ISSUER
        signed: Body = sign(command, issuer.key_id, issuer.private_key)
        return signed

    def _own_limits(self) -> list[Body]:
        every: list[list[Body]] = [
            [],
            [{"kind": "leaky-bucket", "name": "tokens", "capacity": 2000, "amount": 50}],
            [{"kind": "token-bucket", "name": "tokens", "capacity": 600, "amount": 9}],
            [{"kind": "fixed-window", "name": "own", "limit": 900, "windowMs": 20_000}],
            [{"kind": "concurrency", "name": "at-once", "limit": 2}],
        ]
        return self._random.choice(every)


def _bytes(body: Body | list[Body]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
