"""/metrics, /livez and /readyz: what the core reads out, as Prometheus reads it (SPEC 9).

The core never pushes a figure. After a committed step the driver takes one immutable `Snapshot` on its event loop
and hands it over here; a scrape, in another thread, only ever sees the last one it was given: no lock, no half
step, and no scrape that waits for the loop. METRICS decides names, types, labels and buckets, so a metric is
added there and nowhere else.

The text is written here and not by prometheus_client: with 500 agents a worker has 30,000 samples, and the
library's writer takes half a second for what is one line of formatting each. Its registry is served all the
same, with the collectors of the process, and a test holds both texts equal. And it is written ahead of the scrape,
by a thread of its own while somebody scrapes: beside a busy event loop it takes several times as long, and every file
of the process that is read waits for its turn.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import ClassVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from csstream.core.engine import Process
from csstream.core.metrics import METRICS, STEP_S, Labels, Metric
from csstream.core.shop import Shop

PREFIX = "csstream_"

DEFAULT_PORT = 9464
"""Where /metrics is served unless told otherwise."""

AGENTS = 500
"""Most agents of one process with series (SPEC 9, `metrics.agents`)."""

SILENT_MS = 24 * 3_600_000
"""An agent without an event for so long loses the series (SPEC 9, `agents_left_out`)."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

ASKED_S = 120.0
"""For so long after a scrape the next one's text is written ahead."""

Reading = tuple[Labels, float | tuple[float, ...]]
"""Labels and value; a histogram is its counts by bucket, the unbounded one last, and then the sum in seconds."""


class ExporterError(Exception):
    """/metrics cannot be served as asked."""


@dataclass
class Steps:
    """What a driver counts of its steps (scope P)."""

    seconds: list[float] = field(default_factory=lambda: [0.0] * (len(STEP_S) + 2))
    last_ms: int | None = None

    def took(self, seconds: float, now_ms: int) -> None:
        """A step was committed at `now_ms` (wall clock), `seconds` after its records were taken."""
        self.seconds[bisect_left(STEP_S, seconds)] += 1
        self.seconds[-1] += seconds
        self.last_ms = now_ms


@dataclass(frozen=True)
class Snapshot:
    """Every reading at one instant, by metric. Nothing in it changes any more."""

    readings: Mapping[str, Sequence[Reading]]
    shown: frozenset[tuple[str, str]]
    """(shop, agent) of those with series."""

    def text(self, *, shops: bool = True) -> bytes:
        """The snapshot in Prometheus' text format; without `shops` only what is of the process (scope P)."""
        out: list[str] = []
        for metric in METRICS:
            found = self.readings.get(metric.name)
            if found and (shops or metric.scope == "P"):
                _write(metric, found, out)
        return "".join(out).encode()


class Snapshots:
    """Takes snapshots, and knows who had series in the last one: a series that comes and goes is no use."""

    def __init__(self, version: str, policy_tag: str, agents: int = AGENTS) -> None:
        self._build = (version, policy_tag)
        self._agents = agents
        self._shown: frozenset[tuple[str, str]] = frozenset()

    def take(
        self,
        shops: Collection[Shop],
        process: Process,
        *,
        failed: Mapping[str, int] | None = None,
        rows: Mapping[str, int] | None = None,
        steps: Steps | None = None,
        driver: Mapping[str, Sequence[Reading]] | None = None,
    ) -> Snapshot:
        """One snapshot of the shops after a committed step, and of the process. Call it on the event loop.

        `driver` has what only the driver knows (scope P), by metric.
        """
        shown, left_out = self._choose(shops)
        self._shown = shown
        readings: dict[str, list[Reading]] = {}
        for shop in shops:
            for name, labels, value in shop.readings():
                place = _AGENT_AT.get(name)
                if place is not None and labels[place] and (shop.name, labels[place]) not in shown:
                    continue
                if isinstance(value, list):
                    readings.setdefault(name, []).append((labels, (*value[:-1], value[-1] / 1000)))
                else:
                    readings.setdefault(name, []).append((labels, value))
        readings |= self._of_process(process, failed or {}, rows or {}, steps or Steps())
        readings["agents_left_out"] = [((), left_out)]
        for name, found in (driver or {}).items():
            readings[name] = list(found)
        return Snapshot(readings, shown)

    def _choose(self, shops: Iterable[Shop]) -> tuple[frozenset[tuple[str, str]], int]:
        """Who has series: those who had and are not silent, then the newest, as many as may be."""
        newest: dict[tuple[str, str], int] = {}
        left_out = 0
        for shop in shops:
            waited_for = {customer.conversation.state.holder for customer in shop.waiting()}
            for agent in {*shop.tallies, *shop.agents, *waited_for}:
                if not agent:
                    continue
                known = max(
                    shop.tallies[agent].newest_ms if agent in shop.tallies else -1,
                    shop.agents[agent].newest_ms if agent in shop.agents else -1,
                )
                # With a customer waiting, silence is the news itself.
                if agent in waited_for or shop.row.clock_ms - known <= SILENT_MS:
                    newest[shop.name, agent] = known
                else:
                    left_out += 1
        if len(newest) <= self._agents:
            return frozenset(newest), left_out
        ranked = sorted(newest, key=lambda one: (one not in self._shown, -newest[one], one))
        return frozenset(ranked[: self._agents]), left_out + len(newest) - self._agents

    def _of_process(
        self, process: Process, failed: Mapping[str, int], rows: Mapping[str, int], steps: Steps
    ) -> dict[str, list[Reading]]:
        found: dict[str, list[Reading]] = {
            "build_info": [(self._build, 1)],
            "events_total": list(process.events.items()),
            "dead_letters_total": list(process.dead_letters.items()),
            "corrections_total": [((kind,), number) for kind, number in process.corrections.items()],
            "late_seconds": [((topic,), tuple(counts)) for topic, counts in process.late.items()],
            "newest_event_timestamp_seconds": [
                ((topic,), newest / 1000) for topic, newest in process.newest_ms.items()
            ],
            "step_seconds": [((), tuple(steps.seconds))],
            "steps_failed_total": [((reason,), number) for reason, number in failed.items()],
            "rows": [((kind,), number) for kind, number in rows.items()],
        }
        if steps.last_ms is not None:
            found["last_step_timestamp_seconds"] = [((), steps.last_ms / 1000)]
        return found


_AGENT_AT = {metric.name: metric.labels.index("agent") for metric in METRICS if "agent" in metric.labels}


class _Readings(Collector):
    """The last snapshot as families of prometheus_client."""

    def __init__(self, exporter: "Exporter") -> None:
        self._exporter = exporter

    def collect(self) -> Iterator[Family]:
        snapshot = self._exporter.snapshot
        for metric in METRICS:
            found = () if snapshot is None else snapshot.readings.get(metric.name, ())
            if found:
                yield _family(metric, found)


def _family(metric: Metric, found: Iterable[Reading]) -> Family:
    name, labels = PREFIX + metric.name, list(metric.labels)
    if metric.type == "h":
        histogram = HistogramMetricFamily(name, metric.help, labels=labels)
        for values, counts in found:
            assert isinstance(counts, tuple)
            histogram.add_metric(list(values), list(_cumulative(metric, counts)), counts[-1])
        return histogram
    family: GaugeMetricFamily | CounterMetricFamily = (
        CounterMetricFamily(name, metric.help, labels=labels)
        if metric.type == "c"
        else GaugeMetricFamily(name, metric.help, labels=labels)
    )
    for values, number in found:
        assert not isinstance(number, tuple)
        family.add_metric(list(values), number)
    return family


def _cumulative(metric: Metric, counts: Sequence[float]) -> Iterator[tuple[str, float]]:
    """(le, number up to it) of every bucket."""
    total = 0.0
    for bound, number in zip((*map(float, metric.buckets), "+Inf"), counts[:-1], strict=True):
        total += number
        yield str(bound), total


_TYPES = {"g": "gauge", "c": "counter", "h": "histogram"}


def _write(metric: Metric, found: Iterable[Reading], out: list[str]) -> None:
    name, names = PREFIX + metric.name, metric.labels
    help_ = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    out.append(f"# HELP {name} {help_}\n# TYPE {name} {_TYPES[metric.type]}\n")
    if metric.type == "h":
        form, bare = _form(metric), not names
        for values, counts in found:
            assert isinstance(counts, tuple)
            totals = tuple(accumulate(counts[:-1]))
            text = form % (*totals, totals[-1], counts[-1])
            out.append(text if bare else text.replace(_LABELS, _labels(names, values)))
    elif not names:
        out += [f"{name} {number}\n" for _, number in found]
    else:
        out += [f"{name}{{{_labels(names, values)}}} {number}\n" for values, number in found]


_LABELS = "\0"  # stands for the labels in a form; the wire format lets none of it into a label


def _form(metric: Metric) -> str:
    """All lines of one histogram, with a place for each number."""
    name = PREFIX + metric.name
    lead, tail = (f"{_LABELS},", f"{{{_LABELS}}}") if metric.labels else ("", "")
    bounds = (*map(float, metric.buckets), "+Inf")
    buckets = "".join(f'{name}_bucket{{{lead}le="{bound}"}} %s\n' for bound in bounds)
    return f"{buckets}{name}_count{tail} %s\n{name}_sum{tail} %s\n"


@lru_cache(65_536)
def _labels(names: tuple[str, ...], values: Labels) -> str:
    return ",".join([f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True)])


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


class Exporter:
    """Serves the last snapshot. `update` replaces it; nothing else is shared with the event loop."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.unready: str | None = "loading"
        """Why the process should get no work yet; None once it is ready. The driver sets it."""
        self.dead: str | None = None
        """Why the process had better be started again; None while it works. The driver sets it."""
        self._until_s = float("inf")
        self._asked_s = float("-inf")
        self._written: tuple[Snapshot, bytes] | None = None
        self._news = threading.Event()
        self._stopped = False
        self.registry = CollectorRegistry()
        self.registry.register(_Readings(self))
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._writer: threading.Thread | None = None

    def update(self, snapshot: Snapshot, until_s: float = float("inf")) -> None:
        """From now on a scrape shows this snapshot; the shops in it only until `until_s` (`time.monotonic`).

        A process that was frozen for longer would show shops that another one owns by now.
        """
        self._until_s = until_s
        self.snapshot = snapshot
        self._news.set()

    def text(self) -> bytes:
        """What a scrape gets now."""
        self._asked_s = time.monotonic()
        written, snapshot = self._written, self.snapshot
        if snapshot is not None and written is not None and self._asked_s < self._until_s:
            return written[1]  # the one before, while the newest is being written
        own = b"" if snapshot is None else snapshot.text(shops=self._asked_s < self._until_s)
        return own + generate_latest(self._process)

    def start(self, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> str:
        """Serve in a thread of its own; port 0 is any free one. Returns the address of /metrics.

        Raises ExporterError where the port cannot be had.
        """
        try:
            server = _Server((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ExporterError(
                f"/metrics cannot be served on {host}:{port}: {reason}; "
                "give another port, or 0 for any free one (--metrics-port)"
            ) from None
        server.exporter = self
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="metrics", daemon=True
        )
        self._thread.start()
        self._writer = threading.Thread(target=self._write_ahead, name="metrics text", daemon=True)
        self._writer.start()
        bound = server.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{bound}/metrics"

    def stop(self) -> None:
        """Serve no more; scrapes under way end by themselves."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(2)
            self._server = self._thread = self._writer = None
            self._stopped = True
            self._news.set()

    def _write_ahead(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._stopped:
                return
            snapshot = self.snapshot
            if snapshot is None or time.monotonic() - self._asked_s > ASKED_S:
                self._written = None
            else:
                self._written = snapshot, snapshot.text() + generate_latest(self._process)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a scraper that hangs must not hold up our end
    exporter: Exporter


class _Handler(BaseHTTPRequestHandler):
    """Answers three paths; everything else is 404."""

    server: _Server
    timeout = 10
    protocol_version = "HTTP/1.1"
    server_version = "csstream"
    sys_version = ""
    types: ClassVar[Mapping[str, str]] = {"/metrics": CONTENT_TYPE}

    def do_GET(self) -> None:
        exporter = self.server.exporter
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, exporter.text(), path)
        elif path == "/livez":
            dead = exporter.dead
            self._answer(503 if dead else 200, f"{dead or 'alive'}\n".encode(), path)
        elif path == "/readyz":
            reason = exporter.unready
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n".encode(), path)
        else:
            self._answer(404, b"here are /metrics, /livez and /readyz\n", path)

    def _answer(self, status: int, body: bytes, path: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.types.get(path, "text/plain; charset=utf-8"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Scrapes are not news."""
