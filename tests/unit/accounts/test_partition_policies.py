"""A partition decides by the highest policy that an issuer of the one before it has signed."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.accounts.publication import MAX_POLICY_BYTES
from schemas.base import Message
from schemas.commands import AccountStatus
from schemas.dead_letters import DeadLetterReason
from schemas.events import PolicyApplied
from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from schemas.signing import Issuer, sign
from tests.unit.accounts.commands import (
    ALICE,
    ISSUER,
    STRANGER,
    allocate,
    consume,
    leaky,
    policy,
    publish,
    query,
    reserve,
    revoke,
    set_limits,
    set_status,
    set_tier,
    settle,
)
from tests.unit.accounts.partition import MIDNIGHT_MS, Answer, NewPartition, Partition, body

NEW_ISSUER = Issuer.of(Ed25519PrivateKey.from_private_bytes(b"the key that takes the old's job"))


def sent(partition: Partition, document: PolicyDocument, issuer: Issuer | None) -> Answer:
    """The policy sent under an issuer's signature, or under none."""
    return partition.given_bytes(json.dumps(body(publish(document), issuer)).encode())


def version(partition: Partition) -> int | None:
    return partition.when(query()).reply.policy_version


@pytest.mark.parametrize(
    "command", [consume(5), reserve(5), settle("hold_anything", 5), query(), allocate(5)]
)
def test_before_the_first_policy_every_command_is_not_ready(
    new_partition: NewPartition, command: Message
) -> None:
    partition = new_partition(None)
    answer = partition.when(command)
    assert answer.outcome is Outcome.NOT_READY
    assert (answer.events, answer.dead_letters) == ([], [])
    assert partition.tick().events == []


def test_the_first_policy_is_signed_by_an_issuer_that_it_names(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(None)
    answer = sent(partition, policy(), ISSUER)
    assert (answer.outcome, answer.reply.policy_version) == (Outcome.APPLIED, 1)
    applied = answer.event(PolicyApplied)
    assert (applied.account, applied.policy_name, applied.policy_version) == (None, "tested", 1)
    assert partition.when(consume(5)).outcome is Outcome.GRANTED


@pytest.mark.parametrize("issuer", [STRANGER, None])
def test_a_first_policy_that_no_issuer_of_its_own_signed_is_unauthorised(
    new_partition: NewPartition, issuer: Issuer | None
) -> None:
    partition = new_partition(None)
    answer = sent(partition, policy(), issuer)
    assert answer.outcome is Outcome.UNAUTHORISED_COMMAND
    assert [letter.reason for letter in answer.dead_letters] == [
        DeadLetterReason.UNAUTHORISED_COMMAND
    ]
    assert partition.when(consume(5)).outcome is Outcome.NOT_READY


def test_a_higher_version_decides_from_then_on(new_partition: NewPartition) -> None:
    partition = new_partition(policy(leaky(10))).given(publish(policy(leaky(20), version=7)))
    assert partition.when(consume(15)).outcome is Outcome.GRANTED
    assert version(partition) == 7


def test_the_same_policy_again_is_answered_as_applied_and_changes_nothing(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    answer = partition.at(5).when(publish(policy()))
    assert (answer.outcome, answer.reply.replayed) == (Outcome.APPLIED, True)
    assert answer.events == []


@pytest.mark.parametrize(
    "outdated", [policy(version=1), policy(version=2, hold_ttl_ms=5000), policy(leaky(1))]
)
def test_a_version_that_is_not_higher_is_outdated(
    new_partition: NewPartition, outdated: PolicyDocument
) -> None:
    partition = new_partition(policy()).given(publish(policy(version=2)))
    answer = partition.when(publish(outdated))
    assert answer.outcome is Outcome.POLICY_OUTDATED
    assert answer.reply.detail == "the partition has version 2; expected a higher one"
    assert (answer.events, answer.dead_letters) == ([], [])


@pytest.mark.parametrize("issuer", [STRANGER, None])
def test_a_later_policy_is_signed_by_an_issuer_of_the_one_before(
    new_partition: NewPartition, issuer: Issuer | None
) -> None:
    partition = new_partition(policy())
    usurping = policy(version=2, issuers=(STRANGER.public(),))
    assert sent(partition, usurping, issuer).outcome is Outcome.UNAUTHORISED_COMMAND
    assert version(partition) == 1


def test_issuers_are_replaced_under_the_old_ones_signature(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    handover = policy(version=2, issuers=(NEW_ISSUER.public(),))
    assert sent(partition, handover, NEW_ISSUER).outcome is Outcome.UNAUTHORISED_COMMAND
    assert sent(partition, handover, ISSUER).outcome is Outcome.APPLIED
    later = policy(version=3)
    assert sent(partition, later, ISSUER).outcome is Outcome.UNAUTHORISED_COMMAND
    assert sent(partition, later, NEW_ISSUER).outcome is Outcome.APPLIED


def test_a_policy_altered_after_it_was_signed_is_unauthorised(new_partition: NewPartition) -> None:
    signed = json.dumps(body(publish(policy()))).replace('"multiplier": 1', '"multiplier": 9')
    answer = new_partition(None).given_bytes(signed.encode())
    assert answer.outcome is Outcome.UNAUTHORISED_COMMAND


def test_policies_form_a_chain_of_their_own(new_partition: NewPartition) -> None:
    partition = new_partition(policy()).given(consume(5))
    applied = partition.when(publish(policy(version=2))).event(PolicyApplied)
    assert applied.seal is not None
    assert applied.seal.previous_hash is not None
    assert applied.at_ms == MIDNIGHT_MS


def test_a_policy_too_large_to_keep_is_refused_and_the_process_lives_on(
    new_partition: NewPartition,
) -> None:
    tiers = {f"T{number}": {"allowances": {"*": 1}} for number in range(900)}
    small = body(publish(policy(version=2)), None)
    assert isinstance(small["policy"], dict)
    small["policy"]["tiers"] |= tiers
    limits = [
        {"kind": "leaky-bucket", "name": f"l{n}", "capacity": 1, "amount": 0} for n in range(16)
    ]
    small["policy"]["limits"] |= {f"p{number}": limits for number in range(150)}
    value = json.dumps(sign(small, ISSUER.key_id, ISSUER.private_key), separators=(",", ":"))
    answer = new_partition(policy()).given_bytes(value.encode())
    assert answer.outcome is Outcome.MALFORMED
    assert str(MAX_POLICY_BYTES) in (answer.reply.detail or "")
    assert [letter.reason for letter in answer.dead_letters] == [DeadLetterReason.OVERSIZED]


PRIVILEGED = [
    allocate(5),
    revoke(5),
    set_tier("PRO"),
    set_status(AccountStatus.CLOSED),
    set_limits(leaky(1)),
]


@pytest.mark.parametrize("command", PRIVILEGED, ids=lambda command: command.type)
@pytest.mark.parametrize("issuer", [STRANGER, None])
def test_a_privileged_command_takes_the_signature_of_an_issuer(
    new_partition: NewPartition, command: Message, issuer: Issuer | None
) -> None:
    partition = new_partition(policy())
    answer = partition.given_bytes(json.dumps(body(command, issuer)).encode())
    assert answer.outcome is Outcome.UNAUTHORISED_COMMAND
    assert [letter.reason for letter in answer.dead_letters] == [
        DeadLetterReason.UNAUTHORISED_COMMAND
    ]
    assert answer.events == []
    assert f"a:{ALICE}".encode() not in partition.durable
    assert partition.when(command).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    "altered",
    [
        {"tokens": 6},
        {"commandId": "other"},
        {"account": "x"},
        {"unknown": 1},
        {"provider": "gemini"},
    ],
)
def test_nothing_of_a_signed_command_can_be_altered_or_added(
    new_partition: NewPartition, altered: dict[str, object]
) -> None:
    partition = new_partition(policy())
    fields = body(allocate(5)) | altered
    answer = partition.given_bytes(json.dumps(fields).encode())
    assert answer.outcome in {Outcome.UNAUTHORISED_COMMAND, Outcome.MALFORMED}
    assert answer.events == []


def test_a_field_said_twice_is_decided_as_it_was_signed(new_partition: NewPartition) -> None:
    partition = new_partition(policy())
    signed = json.dumps(body(allocate(5)))
    forged_first = signed.replace('"tokens": 5', '"tokens": 500, "tokens": 5')
    assert partition.given_bytes(forged_first.encode()).reply.tokens == 5
    signed = json.dumps(body(allocate(5)))
    forged_last = signed.replace('"tokens": 5', '"tokens": 5, "tokens": 500')
    assert partition.given_bytes(forged_last.encode()).outcome is Outcome.UNAUTHORISED_COMMAND


def test_an_issuer_that_a_policy_dropped_signs_nothing_any_more(
    new_partition: NewPartition,
) -> None:
    partition = new_partition(policy())
    partition.given(publish(policy(version=2, issuers=(NEW_ISSUER.public(),))))
    assert partition.when(allocate(5)).outcome is Outcome.UNAUTHORISED_COMMAND
    value = json.dumps(body(allocate(5), NEW_ISSUER)).encode()
    assert partition.given_bytes(value).outcome is Outcome.APPLIED
