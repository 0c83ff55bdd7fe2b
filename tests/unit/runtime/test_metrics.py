"""What a pipeline's process tells about itself."""

import json

from pipelines.runtime.metrics import PrometheusRuntimeMetrics, ends_from_statistics
from service.metrics import Metrics


def test_ends_are_read_for_the_input_topics_fetched_partitions() -> None:
    partitions = {
        "0": {"ls_offset": 17},
        "1": {"ls_offset": -1001},
        "-1": {"ls_offset": 5},
    }
    statistics = json.dumps({"topics": {"commands": {"partitions": partitions}, "other": {}}})
    assert ends_from_statistics(statistics, "commands") == {0: 17}
    assert ends_from_statistics(statistics, "absent") == {}


def test_every_observation_reaches_the_registry() -> None:
    registry = Metrics("accounts")
    metrics = PrometheusRuntimeMetrics(registry)
    metrics.decided(0.0001)
    metrics.skipped()
    metrics.checkpointed(0.01)
    metrics.restored(1.5)
    metrics.undeliverable(2)
    metrics.lag({0: 3, 1: 4})
    metrics.lag({1: 5})
    text = registry.render().decode()
    assert 'pipeline_decision_seconds_count{application="accounts"} 1.0' in text
    assert 'pipeline_records_skipped_total{application="accounts"} 1.0' in text
    assert 'pipeline_checkpoint_seconds_sum{application="accounts"} 0.01' in text
    assert 'pipeline_restore_seconds_sum{application="accounts"} 1.5' in text
    assert 'pipeline_undeliverable_total{application="accounts"} 2.0' in text
    assert 'pipeline_lag_records{application="accounts",partition="1"} 5.0' in text
    assert 'partition="0"' not in text
