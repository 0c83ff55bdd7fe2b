"""Publishing a policy to the running accounts pipeline, and to one that does not run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.outcomes import Outcome
from schemas.policies import PolicyDocument
from schemas.signing import Issuer
from tests.integration.topic_broker import end_offsets, environment, fresh_settings, values
from tests.servers import Servers
from tests.service_process import free_port, running
from topics.admin import create_topics
from topics.genesis import ensure_genesis
from topics.issuer_keys import issuer_trusted_by
from topics.policy_publication import (
    PolicyNotConfirmedError,
    PolicyRefusedError,
    publish_policy,
)
from topics.published_policies import read_published_policies
from topics.registry import ACCOUNTS_COMMANDS, POLICIES
from topics.settings import TopicsSettings


@pytest.fixture(scope="module")
def live(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TopicsSettings]:
    """Settings of a system whose accounts pipeline runs."""
    folder = tmp_path_factory.mktemp("live")
    settings = fresh_settings(servers.kafka_bootstrap_servers, folder)
    create_topics(settings)
    ensure_genesis(settings)
    port = free_port()
    variables = {**environment(settings), "LEAKY_METRICS_PORT": str(port)}
    with running(["-m", "pipelines.accounts"], port, folder / "accounts.log", variables):
        yield settings


@pytest.fixture
def silent(servers: Servers, tmp_path: Path) -> TopicsSettings:
    """Settings of a system whose accounts pipeline does not run."""
    settings = fresh_settings(servers.kafka_bootstrap_servers, tmp_path)
    create_topics(settings)
    ensure_genesis(settings)
    return settings


def _issuer(settings: TopicsSettings) -> Issuer:
    return issuer_trusted_by(_current(settings).issuers, settings.data_dir)


def _current(settings: TopicsSettings) -> PolicyDocument:
    return read_published_policies(settings)[-1].document


def _next(settings: TopicsSettings) -> PolicyDocument:
    current = _current(settings)
    return current.model_copy(
        update={"version": current.version + 1, "hold_ttl_ms": current.hold_ttl_ms - 1000}
    )


def test_a_policy_that_every_partition_confirms_is_kept(live: TopicsSettings) -> None:
    document = _next(live)

    published = publish_policy(live, document, _issuer(live))

    assert published.document == document
    assert values(live, POLICIES, 0)[-1] == published.value


def test_publishing_the_same_policy_again_is_confirmed_again(live: TopicsSettings) -> None:
    document = _next(live)
    first = publish_policy(live, document, _issuer(live))

    assert publish_policy(live, document, _issuer(live)) == first


def test_a_policy_of_an_older_version_is_refused_and_not_kept(live: TopicsSettings) -> None:
    newest = publish_policy(live, _next(live), _issuer(live))
    before = end_offsets(live, POLICIES)
    other = newest.document.model_copy(update={"hold_ttl_ms": 5000})

    with pytest.raises(PolicyRefusedError) as refusal:
        publish_policy(live, other, _issuer(live))

    assert {reply.outcome for reply in refusal.value.refusals.values()} == {Outcome.POLICY_OUTDATED}
    assert set(refusal.value.refusals) == {0, 1, 2, 3}
    assert end_offsets(live, POLICIES) == before


def test_a_policy_by_an_issuer_that_nobody_named_is_refused(live: TopicsSettings) -> None:
    with pytest.raises(PolicyRefusedError) as refusal:
        publish_policy(live, _next(live), Issuer.generate())

    assert {reply.outcome for reply in refusal.value.refusals.values()} == {
        Outcome.UNAUTHORISED_COMMAND
    }


def test_partitions_that_do_not_answer_are_named(silent: TopicsSettings) -> None:
    with pytest.raises(PolicyNotConfirmedError) as failure:
        publish_policy(silent, _next(silent), _issuer(silent), timeout_s=3)

    assert failure.value.partitions == (0, 1, 2, 3)
    assert len(read_published_policies(silent)) == 1, "only the first policy is kept"
    assert end_offsets(silent, ACCOUNTS_COMMANDS) == [3, 3, 3, 3], "it was sent again after 2 s"


def test_without_waiting_the_policy_is_in_every_log_and_kept(silent: TopicsSettings) -> None:
    published = publish_policy(silent, _next(silent), _issuer(silent), wait_for_confirmation=False)

    for partition in range(4):
        assert values(silent, ACCOUNTS_COMMANDS, partition)[-1] == published.value
    assert values(silent, POLICIES, 0)[-1] == published.value
