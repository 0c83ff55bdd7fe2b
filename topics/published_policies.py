"""The topic `policies`: each published policy as the signed command that carried it."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from pydantic import ValidationError

from schemas.commands import PublishPolicy
from schemas.messages import DOCUMENTS
from schemas.policies import PolicyDocument
from schemas.signing import Issuer, sign, verify
from topics.reading import read_all
from topics.registry import POLICIES
from topics.settings import TopicsSettings

_ADAPTER = DOCUMENTS["published-policy"].adapter


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """A policy's command and the bytes in which it travels."""

    command: PublishPolicy
    value: bytes

    @classmethod
    def signed(cls, document: PolicyDocument, issuer: Issuer, reply_to: str | None = None) -> Self:
        """The command that publishes `document`, signed; the same input gives the same bytes."""
        command = PublishPolicy(
            command_id=f"policy-{document.name}-{document.version}",
            reply_to=reply_to,
            policy=document,
        )
        signed = sign(json.loads(command.to_json()), issuer.key_id, issuer.private_key)
        return cls.parse(json.dumps(signed, separators=(",", ":"), ensure_ascii=False).encode())

    @classmethod
    def parse(cls, value: bytes) -> Self:
        """The command in a record's value; raises `pydantic.ValidationError`."""
        return cls(command=_ADAPTER.validate_json(value), value=value)

    @property
    def document(self) -> PolicyDocument:
        """The policy."""
        return self.command.policy

    @property
    def key(self) -> bytes:
        """The key under which `policies` keeps it."""
        return self.document.name.encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return sha256(self.value).hexdigest()

    def is_self_signed(self) -> bool:
        """Whether an issuer that the policy itself names signed it, as a first policy must be."""
        return verify(json.loads(self.value), self.document.issuers)


def self_signed_policy(value: bytes | None) -> PublishedPolicy | None:
    """The policy in a commands record's value if it could be a partition's first, else None."""
    if value is None or b'"policy"' not in value:
        return None
    try:
        published = PublishedPolicy.parse(value)
    except ValidationError:
        return None
    return published if published.is_self_signed() else None


def read_published_policies(settings: TopicsSettings) -> list[PublishedPolicy]:
    """What `policies` holds, oldest first; of each name at least the latest."""
    topic = POLICIES.name_on_broker(settings.topics_prefix)
    return [
        PublishedPolicy.parse(value)
        for message in read_all(settings, topic, partition=0)
        if (value := message.value()) is not None
    ]
