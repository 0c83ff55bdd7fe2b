"""The changelogs' declared names are the ones that Quix Streams looks for."""

import pytest
from quixstreams.models import TopicManager
from quixstreams.state.manager import DEFAULT_STATE_STORE_NAME
from quixstreams.utils.stream_id import stream_id_from_strings

from topics.registry import ACCOUNTS_STATE, CHANGELOGS, STATE_OWNERS


@pytest.mark.parametrize("prefix", ["", "test."])
def test_the_names_are_those_of_quix(prefix: str) -> None:
    names = []
    for owner in STATE_OWNERS:
        manager = TopicManager(
            topic_admin=None,  # type: ignore[arg-type] # it names topics without asking a broker
            consumer_group=owner.group_on_broker(prefix),
            auto_create_topics=False,
        )
        stream_id = stream_id_from_strings(owner.input.name_on_broker(prefix))
        names += [manager._internal_name("changelog", stream_id, store) for store in owner.stores]

    assert names == [topic.name_on_broker(prefix) for topic in CHANGELOGS]


def test_the_durable_store_is_the_one_that_quix_makes_unasked() -> None:
    assert ACCOUNTS_STATE.stores[0] == DEFAULT_STATE_STORE_NAME
