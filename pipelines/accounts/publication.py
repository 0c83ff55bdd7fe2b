"""Policies as a partition takes them: signed, and higher than the one it has."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import pydantic_core
import rfc8785

from pipelines.accounts.journal import Journal
from pipelines.accounts.messages import PolicyApplied, Reply
from pipelines.accounts.partition_policy import StoredPolicy, write_policy
from schemas.commands import PublishPolicy
from schemas.dead_letters import DeadLetterReason
from schemas.outcomes import Outcome
from schemas.policies import IssuerKey, PolicyDocument
from schemas.signing import verify
from state.store import MAX_VALUE_BYTES, DurableStore

MAX_POLICY_BYTES = MAX_VALUE_BYTES - 1024
"""How large a policy may be with its defaults spelt out, so that a partition can keep it."""


def is_signed(raw: bytes, issuers: Iterable[IssuerKey]) -> bool:
    """Whether one of `issuers` signed the command whose bytes these are."""
    fields: dict[str, Any] = pydantic_core.from_json(raw)
    return verify(fields, issuers)


def publish(
    journal: Journal,
    store: DurableStore,
    stored: StoredPolicy | None,
    raw: bytes,
    command: PublishPolicy,
) -> Reply:
    """Apply a policy to the partition, or say why not.

    The first policy is signed by an issuer that it names itself; each later one by an issuer of
    the policy before. The same policy again is answered as applied, which makes re-sending safe.
    """
    policy = command.policy
    current = None if stored is None else PolicyDocument.model_validate_json(stored.document)
    if not is_signed(raw, (current or policy).issuers):
        detail = "a policy takes a signature by an issuer of the policy before it"
        journal.bury(DeadLetterReason.UNAUTHORISED_COMMAND, detail, 0, raw)
        return _reply(journal, command, Outcome.UNAUTHORISED_COMMAND, detail)
    digest = sha256(rfc8785.dumps(pydantic_core.from_json(raw)["policy"])).digest()
    if stored is not None and policy.version <= stored.version:
        if digest == stored.digest:
            return _reply(journal, command, Outcome.APPLIED, replayed=True)
        detail = f"the partition has version {stored.version}; expected a higher one"
        return _reply(journal, command, Outcome.POLICY_OUTDATED, detail)
    document = policy.to_json()
    if len(document) > MAX_POLICY_BYTES:
        detail = f"expected a policy of at most {MAX_POLICY_BYTES} bytes, got {len(document)}"
        journal.bury(DeadLetterReason.OVERSIZED, detail, 0, raw)
        return _reply(journal, command, Outcome.MALFORMED, detail)
    reply = _reply(journal, command, Outcome.APPLIED)
    event = PolicyApplied(
        account=None,
        at_ms=journal.now_ms,
        command_id=command.command_id,
        policy_version=policy.version,
        policy_name=policy.name,
        policy_digest=digest.hex(),
    )
    head = journal.publish(None, event, b"" if stored is None else stored.head, reply.to_json())
    write_policy(store, StoredPolicy(policy.version, digest, head, document))
    return reply


def _reply(
    journal: Journal,
    command: PublishPolicy,
    outcome: Outcome,
    detail: str | None = None,
    *,
    replayed: bool = False,
) -> Reply:
    return Reply(
        command_id=command.command_id,
        command=command.type,
        account=None,
        outcome=outcome,
        at_ms=journal.now_ms,
        policy_version=command.policy.version,
        replayed=replayed,
        detail=detail,
    )
