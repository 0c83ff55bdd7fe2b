"""What the embedded broker is started with."""

from devstack.kafka import new_cluster_id


def test_no_cluster_id_looks_like_an_option() -> None:
    drawn = {new_cluster_id() for _ in range(2_000)}
    assert len(drawn) == 2_000
    assert {len(cluster_id) for cluster_id in drawn} == {22}
    assert not any(cluster_id.startswith("-") for cluster_id in drawn)
