"""Combines the metrics of several processes into one page for Prometheus.

Counters and histograms are added up; a worker's gauge keeps its own line with a label ``worker``. Counts of a worker
that ended stay in the sums: a falling counter would look like a restart of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

# Metric types that never decrease.
SUMMED = ("counter", "histogram", "summary")

Labels = tuple[tuple[str, str], ...]
Key = tuple[str, Labels]


class Figure(Struct, array_like=True, frozen=True):
    """One metric of one process; samples are (name, labels, value)."""

    name: str
    kind: str
    text: str
    samples: list[tuple[str, dict[str, str], float | str]]


def figures_of(registry: CollectorRegistry) -> list[Figure]:
    """All metrics of this process, in a form that JSON can represent."""
    return [
        Figure(
            metric.name, metric.type, metric.documentation,
            # Infinities and NaN are not valid JSON numbers.
            [(s.name, dict(s.labels), _plain(s.value)) for s in metric.samples if not s.name.endswith("_created")],
        )
        for metric in registry.collect()
    ]  # fmt: skip


def _plain(value: float) -> float | str:
    return value if value == value and value not in (float("inf"), float("-inf")) else str(value)


def read(data: Any) -> list[Figure]:
    """Decode the metrics that another process sent.

    Raises:
        msgspec.ValidationError: the data has another form.
    """
    return msgspec.convert(data, list[Figure])


class Gathered:
    """Adds up metrics of processes that start and end."""

    def __init__(self) -> None:
        self._last: dict[str, list[Figure]] = {}
        self._left: dict[Key, float] = {}

    def took(self, source: str, figures: list[Figure]) -> None:
        """Record the metrics of a running process."""
        self._last[source] = figures

    def departed(self, source: str) -> None:
        """The process has ended; its last counts stay in the sums."""
        for figure in self._last.pop(source, ()):
            if figure.kind in SUMMED:
                for name, labels, value in figure.samples:
                    key = name, tuple(sorted(labels.items()))
                    self._left[key] = self._left.get(key, 0.0) + float(value)

    def render(self, own: Iterable[Metric], workers: Mapping[str, str]) -> bytes:
        """The page: *own* are this process's, *workers* names the label of each living source."""
        return generate_latest(_Page(self._merged(own, workers)))

    def _merged(self, own: Iterable[Metric], workers: Mapping[str, str]) -> Iterator[Metric]:
        metrics: dict[str, Metric] = {}
        sums: dict[str, dict[Key, float]] = {}
        families: dict[str, str] = {}
        for metric in own:
            made = metrics[metric.name] = Metric(metric.name, metric.documentation, metric.type)
            for sample in metric.samples:
                if sample.name.endswith("_created"):
                    continue
                if metric.type in SUMMED:
                    key = sample.name, tuple(sorted(sample.labels.items()))
                    sums.setdefault(metric.name, {})[key] = sample.value
                    families[sample.name] = metric.name
                else:
                    made.add_sample(sample.name, sample.labels, sample.value)
        for source, label in workers.items():
            for figure in self._last.get(source, ()):
                made = metrics.get(figure.name) or Metric(figure.name, figure.text, figure.kind)
                metrics[figure.name] = made
                for name, labels, value in figure.samples:
                    if figure.kind in SUMMED:
                        key = name, tuple(sorted(labels.items()))
                        known = sums.setdefault(figure.name, {})
                        known[key] = known.get(key, 0.0) + float(value)
                        families[name] = figure.name
                    else:
                        made.add_sample(name, {**labels, "worker": label}, float(value))
        for (name, labels_of), value in self._left.items():
            family = families.get(name)
            if family is not None:
                known = sums[family]
                known[name, labels_of] = known.get((name, labels_of), 0.0) + value
        for family, known in sums.items():
            for (name, pairs), value in known.items():
                metrics[family].add_sample(name, dict(pairs), value)
        yield from metrics.values()


class _Page:
    def __init__(self, metrics: Iterator[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics
