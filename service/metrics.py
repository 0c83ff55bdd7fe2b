"""The metrics of one process: made from their declarations, rendered for Prometheus.

With several workers behind one port (see `service.run`) every worker writes its numbers to files
of a shared folder and any of them answers with the sum.
"""

import os
from collections.abc import Iterable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from service.metric_names import CounterSpec, GaugeSpec, HistogramSpec, MetricSpec

CONTENT_TYPE = CONTENT_TYPE_LATEST
MULTIPROCESS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The registry of one process; asking twice for a metric gives the same one."""

    def __init__(self, application: str) -> None:
        self.application = application
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
        if MULTIPROCESS_FOLDER_VARIABLE not in os.environ:
            prometheus_client.ProcessCollector(registry=self._registry)
            prometheus_client.PlatformCollector(registry=self._registry)

    def counter(self, spec: CounterSpec) -> Counter:
        """The counter of that declaration; `.labels(…)` takes the declared labels, all of them."""
        if spec.name not in self._counters:
            self._counters[spec.name] = Counter(
                spec.name, spec.help, spec.labels, registry=self._registry
            )
        return self._counters[spec.name]

    def gauge(self, spec: GaugeSpec) -> Gauge:
        """The gauge of that declaration; the sum over workers when there are several."""
        if spec.name not in self._gauges:
            self._gauges[spec.name] = Gauge(
                spec.name,
                spec.help,
                spec.labels,
                registry=self._registry,
                multiprocess_mode="livesum",
            )
        return self._gauges[spec.name]

    def histogram(self, spec: HistogramSpec) -> Histogram:
        """The histogram of that declaration."""
        if spec.name not in self._histograms:
            self._histograms[spec.name] = Histogram(
                spec.name, spec.help, spec.labels, registry=self._registry, buckets=spec.buckets
            )
        return self._histograms[spec.name]

    def render(self) -> bytes:
        """The text format, every sample with the `application` label."""
        source = self._registry
        if MULTIPROCESS_FOLDER_VARIABLE in os.environ:
            source = CollectorRegistry()
            MultiProcessCollector(source)  # type: ignore[no-untyped-call]  # it registers itself
        labelled = CollectorRegistry()
        labelled.register(_WithApplication(source, self.application))
        return generate_latest(labelled)


class _WithApplication(Collector):
    """Adds the label on the way out, so that counting pays nothing for it."""

    def __init__(self, source: CollectorRegistry, application: str) -> None:
        self._source = source
        self._label = {"application": application}

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for metric in self._source.collect():
            metric.samples = [self._labelled(sample) for sample in metric.samples]
            yield metric

    def _labelled(self, sample: Sample) -> Sample:
        return sample._replace(labels=self._label | sample.labels)


def metrics_reference(specs: Iterable[MetricSpec]) -> str:
    """A Markdown table of the metrics: name, kind, labels, meaning."""
    rows = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for spec in specs:
        kind = type(spec).__name__.removesuffix("Spec").lower()
        labels = ", ".join(("application", *spec.labels))
        rows.append(f"| `{spec.name}` | {kind} | {labels} | {spec.help} |")
    return "\n".join([*rows, ""])
