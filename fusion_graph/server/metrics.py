"""What a server tells Prometheus: its runs, their calls and costs, and what it refused, counted as they come about here.

A process counts what is under way in it; sums over processes are Prometheus's affair. No label is anything that a client
makes up, so that their number is bounded.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from fusion_graph.schemas import CallEntry, Event
from fusion_graph.server.logs import log_events

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
Load = Callable[[], Mapping[str, tuple[int, int]]]
_RUN_SECONDS = (1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800)
_CALL_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)


class Metrics:
    """The figures of one server. `load`: calls under way and waiting by provider; `runs`: how many; `away`: the database is.

    `provider_of` names the provider of a model: a library's name for it, or "".
    """

    def __init__(
        self,
        *,
        runs: Callable[[], int],
        away: Callable[[], bool],
        load: Load,
        provider_of: Callable[[str], str],
    ) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(_Now(runs, away, load))
        self._provider_of = provider_of
        self._began: dict[str, float] = {}  # when, by run
        self._silent: set[str] = set()  # runs whose answer has not begun

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"fusion_{name}", what, labels, registry=self.registry)

        def histogram(name: str, what: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"fusion_{name}", what, labels, buckets=buckets, registry=self.registry)

        self._started = counter("runs_started", "Runs begun or gone on with")
        self._ended = counter("runs_ended", "Runs by how they ended", "status")
        self._seconds = histogram("run_seconds", "From a run's start here to its end", _RUN_SECONDS)
        self._first = histogram(
            "first_text_seconds", "From a run's start here to the first of its answer", _RUN_SECONDS
        )
        self._calls = counter("calls", "Attempts at model calls", "provider", "role", "outcome")
        self._call_seconds = histogram("call_seconds", "How long attempts took", _CALL_SECONDS, "role")
        self._tokens = counter("tokens", "Tokens of model calls", "role", "kind")
        self._cost = counter("cost_usd", "What model calls cost, as far as prices are known", "role")
        self._unpriced = counter("calls_unpriced", "Model calls whose price nobody knows", "provider")
        self._refused = counter("refused", "Requests that were refused", "status")

    def heard(self, events: Sequence[Event]) -> None:
        """Count, and log, what happened in a run."""
        log_events(events)
        for event in events:
            kind, run_id = event["type"], event["run_id"]
            if kind == "run_started":
                self._began[run_id] = event["at"]
                self._silent.add(run_id)
                self._started.inc()
            elif kind == "answer_started" and run_id in self._silent:
                self._silent.remove(run_id)
                self._first.observe(max(event["at"] - self._began[run_id], 0.0))
            elif kind == "call_finished":
                self._called(event["call"])
            elif kind in {"finished", "failed", "interrupted"}:
                self._over(event)

    def refused(self, status: int) -> None:
        """Count a request that was refused."""
        self._refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus's text format."""
        return generate_latest(self.registry)

    def _over(self, event: Event) -> None:
        result = event.get("result") or {}
        self._ended.labels(event.get("reason") or result.get("status") or event["type"]).inc()
        self._silent.discard(event["run_id"])
        began = self._began.pop(event["run_id"], None)
        if began is not None:
            self._seconds.observe(max(event["at"] - began, 0.0))

    def _called(self, call: CallEntry) -> None:
        role, provider = call["role"], self._provider_of(call["model"])
        self._calls.labels(provider, role, call["outcome"] or "unknown").inc()
        if call["duration_seconds"] is not None:
            self._call_seconds.labels(role).observe(call["duration_seconds"])
        for kind, number in (call["tokens"] or {}).items():
            self._tokens.labels(role, kind).inc(cast("int", number))
        if call["cost_usd"] is not None:
            self._cost.labels(role).inc(call["cost_usd"])
        elif call["tokens"]:
            self._unpriced.labels(provider).inc()


class _Now(Collector):
    """How things stand when somebody looks."""

    def __init__(self, runs: Callable[[], int], away: Callable[[], bool], load: Load) -> None:
        self._runs, self._away, self._load = runs, away, load

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges."""
        yield GaugeMetricFamily("fusion_runs_under_way", "Runs under way in this process", self._runs())
        yield GaugeMetricFamily("fusion_database_away", "1 while the database cannot be reached", float(self._away()))
        yield GaugeMetricFamily("fusion_tasks", "Tasks of the event loop", len(asyncio.all_tasks()))
        under_way = GaugeMetricFamily("fusion_calls_under_way", "Model calls under way", labels=["provider"])
        waiting = GaugeMetricFamily("fusion_calls_waiting", "Model calls that wait for their turn", labels=["provider"])
        for provider, (taken, queued) in self._load().items():
            under_way.add_metric([provider], taken)
            waiting.add_metric([provider], queued)
        yield under_way
        yield waiting
