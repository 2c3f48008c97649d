"""Metrics: a server's counts in the text format of Prometheus.

The package prometheus-client, which writes them, is part of the extra `tickerkit[scale]`. It is
imported when metrics are first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["CONTENT_TYPE", "MISSING", "is_installed", "render_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MISSING = "Metrics need the package prometheus-client; run: pip install 'tickerkit[scale]'"
PREFIX = "tickerkit_"


class _Metric(NamedTuple):
    """A metric, and the key of its value in `TickServer.stats` or `TickServer.published`.

    The name of a counter is without `_total`, which prometheus-client adds.
    """

    name: str
    key: str
    about: str
    is_counter: bool = False


# Keys that a server's mapping lacks are left out: those of a stream, for a server without one.
OF_STATS = (
    _Metric("clients", "clients", "Connected clients."),
    _Metric("stalled", "stalled", "Clients that read nothing although data waits for them."),
    _Metric("ticks", "ticks", "Ticks appended to the log.", True),
    _Metric("sent_messages", "sent_messages", "Messages sent to clients.", True),
    _Metric("turned_away", "turned_away", "Requests that were refused.", True),
    _Metric("cut_off", "cut_off", "Clients that the server has disconnected.", True),
    _Metric("lag_seconds", "lag_s", "How many seconds the log is behind its stream."),
    _Metric("behind_ticks", "behind", "Ticks in the stream that the log does not have yet."),
    _Metric("gap_ticks", "gap_ticks", "Ticks that are known to be missing.", True),
    _Metric("stream_resets", "stream_resets", "How many times the stream was read again.", True),
)
OF_PUBLISHED = (
    _Metric("published_seq", "seq", "Seq of the newest tick that the stream has acknowledged."),
    _Metric("unpublished_ticks", "behind", "Ticks in the log that the stream does not have yet."),
    _Metric("ack_seconds", "ack_s", "Time until the stream acknowledged the newest message."),
    _Metric("fenced", "fenced", "1 if another maker has taken over the stream."),
)


def is_installed() -> bool:
    """Return whether prometheus-client can be imported."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        return False
    return True


def render_metrics(stats: Mapping[str, Any], published: Mapping[str, Any]) -> bytes:
    """Return a server's metrics as text.

    Args:
        stats: the server's counts, see `TickServer.stats`.
        published: what it has published to a stream; empty if it publishes to none.

    Raises:
        ImportError: if prometheus-client is not installed.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector

    class ServerCollector(Collector):
        def collect(self) -> Iterator[Metric]:
            for metrics, values in ((OF_STATS, stats), (OF_PUBLISHED, published)):
                for metric in metrics:
                    value = values.get(metric.key)
                    if value is None:
                        continue
                    kind = CounterMetricFamily if metric.is_counter else GaugeMetricFamily
                    yield kind(PREFIX + metric.name, metric.about, value=float(value))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector())
    return generate_latest(registry)
