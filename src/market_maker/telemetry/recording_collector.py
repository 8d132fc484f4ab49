"""How recordings stand, read at the moment when Prometheus asks.

Owns the names and help of these metrics. A market that is not recorded has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from market_maker.ticks.recorder import RecordingCounts

Counts = Callable[[], Mapping[str, RecordingCounts]]


def _nothing() -> Mapping[str, RecordingCounts]:
    return {}


class RecordingCollector(Collector):
    """Renders what `counts` says; its owner sets it once something is recorded."""

    def __init__(self) -> None:
        """Start without recordings."""
        self.counts: Counts = _nothing

    def collect(self) -> Iterable[Metric]:
        """Every recording as it stands now."""
        labels = ("market",)
        kept = CounterMetricFamily(
            "mm_ticks_recorded", "Public events that the disk has confirmed.", labels=labels
        )
        lost = CounterMetricFamily(
            "mm_ticks_dropped", "Public events that could not be recorded.", labels=labels
        )
        size = CounterMetricFamily(
            "mm_ticks_bytes", "Bytes of raw log that the disk has confirmed.", labels=labels
        )
        waiting = GaugeMetricFamily(
            "mm_ticks_waiting_rows", "Rows that wait for the disk.", labels=labels
        )
        going = GaugeMetricFamily(
            "mm_ticks_recording",
            "1 while a market is recorded, 0 while that is paused.",
            labels=labels,
        )
        for market, counts in self.counts().items():
            kept.add_metric((market,), counts.kept_events)
            lost.add_metric((market,), counts.dropped_events)
            size.add_metric((market,), counts.kept_bytes)
            waiting.add_metric((market,), counts.waiting_rows)
            going.add_metric((market,), float(not counts.refusal))
        return (kept, lost, size, waiting, going)
