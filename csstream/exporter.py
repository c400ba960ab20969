"""/metrics, /livez and /readyz: what the core reads out, as Prometheus reads it (SPEC 9).

The core never pushes a figure. After a committed step the driver takes one immutable `Snapshot` on its event loop
and hands it over here; a scrape, in another thread, only ever sees the last one it was given: no lock, no half
step, and no scrape that waits for the loop. METRICS decides names, types, labels and buckets, so a metric is
added there and nowhere else.

The text is written here and not by prometheus_client: with 500 agents a worker has 30,000 samples, and the
library's writer takes half a second for what is one line of formatting each. Its registry is served all the
same, with the collectors of the process, and a test holds both texts equal. Where work would hold up a scrape, it is
written ahead and answered by a process of its own (`kiosk.py`).
"""

import socket
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from csstream.core.engine import Process
from csstream.core.metrics import METRICS, STEP_S, Labels, Metric
from csstream.core.shop import Shop
from csstream.kiosk import Front, Kiosk, Page, Will

PREFIX = "csstream_"

DEFAULT_PORT = 9464
"""Where /metrics is served unless told otherwise."""

AGENTS = 500
"""Most agents of one process with series (SPEC 9, `metrics.agents`)."""

SILENT_MS = 24 * 3_600_000
"""An agent without an event for so long loses the series (SPEC 9, `agents_left_out`)."""

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
        there: defaultdict[str, set[str]] = defaultdict(lambda: {""})
        for name, agent in shown:
            there[name].add(agent)
        readings: defaultdict[str, list[Reading]] = defaultdict(list)
        for shop in shops:
            agents = there[shop.name]
            for name, labels, value in shop.readings():
                place = _AGENT_AT.get(name)
                if place is None or labels[place] in agents:
                    readings[name].append(
                        (labels, (*value[:-1], value[-1] / 1000) if isinstance(value, list) else value)
                    )
        readings |= self._of_process(process, failed or {}, rows or {}, steps or Steps())
        readings["agents_left_out"] = [((), left_out)]
        for name, found in (driver or {}).items():
            readings[name] = list(found)
        return Snapshot(dict(readings), shown)

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
    name = PREFIX + metric.name
    help_ = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    out.append(f"# HELP {name} {help_}\n# TYPE {name} {_TYPES[metric.type]}\n")
    leads = _leads(metric)
    if metric.type != "h":
        out += [f"{leads[values]} {number}\n" for values, number in found]
        return
    for values, counts in found:
        assert isinstance(counts, tuple)
        totals = tuple(accumulate(counts[:-1]))
        out.append(leads[values] % (*totals, totals[-1], counts[-1]))


class _Leads(dict[Labels, str]):
    """What stands before the number of a series of a metric, by its labels; of a histogram, all lines of it with a
    place for each number. Made once a series: who had it in the last scrape mostly has it in the next."""

    MOST = 16_384

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, values: Labels) -> str:
        if len(self) >= self.MOST:
            self.clear()
        lead = self[values] = self._made(values)
        return lead

    def _made(self, values: Labels) -> str:
        metric, name = self._metric, PREFIX + self._metric.name
        pairs = [f'{n}="{_escaped(v)}"' for n, v in zip(metric.labels, values, strict=True)]
        if metric.type != "h":
            return f"{name}{{{','.join(pairs)}}}" if pairs else name
        pairs = [pair.replace("%", "%%") for pair in pairs]
        lead, tail = (",".join([*pairs, ""]), f"{{{','.join(pairs)}}}") if pairs else ("", "")
        bounds = (*map(float, metric.buckets), "+Inf")
        lines = [f'{name}_bucket{{{lead}le="{bound}"}} %s\n' for bound in bounds]
        return f"{''.join(lines)}{name}_count{tail} %s\n{name}_sum{tail} %s\n"


_leads = cache(_Leads)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


class Exporter:
    """Serves the last snapshot. `update` replaces it; nothing else is shared with the event loop."""

    def __init__(self) -> None:
        self.unready: str | None = "loading"
        """Why the process should get no work yet; None once it is ready. The driver sets it."""
        self.dead: str | None = None
        """Why the process had better be started again; None while it works. The driver sets it."""
        self._shown: tuple[Snapshot | None, float] = (
            None,
            float("inf"),
        )  # one value, for other threads read it
        self.registry = CollectorRegistry()
        self.registry.register(_Readings(self))
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._front: Front | None = None
        self._kiosk: Kiosk | None = None
        self._printed: tuple[Snapshot | None, bytes, bytes] | None = None

    def update(self, snapshot: Snapshot, until_s: float = float("inf")) -> None:
        """From now on a scrape shows this snapshot; the shops in it only until `until_s` (`time.monotonic`).

        A process that was frozen for longer would show shops that another one owns by now.
        """
        self._shown = snapshot, until_s
        self.tell()

    def tell(self) -> None:
        """Pass on at once what would be passed on within a second: health, the last will."""
        if self._kiosk is not None:
            self._kiosk.news.set()

    @property
    def snapshot(self) -> Snapshot | None:
        """The last one."""
        return self._shown[0]

    def text(self) -> bytes:
        """What a scrape gets now."""
        snapshot, until_s = self._shown
        own = b"" if snapshot is None else snapshot.text(shops=time.monotonic() < until_s)
        return own + generate_latest(self._process)

    def start(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        apart: bool = False,
        will: Callable[[], Will | None] = lambda: None,
    ) -> str:
        """Serve in a thread of its own, or `apart`, in a process; port 0 is any free one. Returns the address of /metrics.

        Apart a scrape gets what was printed ahead, up to a second ago, and if this process is killed its last `will` is
        done. Raises ExporterError where the port cannot be had.
        """
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen()
        except (OSError, OverflowError) as error:
            listening.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise ExporterError(
                f"/metrics cannot be served on {host}:{port}: {reason}; "
                "give another port, or 0 for any free one (--metrics-port)"
            ) from None
        bound = listening.getsockname()[1]
        if apart:
            self._kiosk = Kiosk(listening, self._page, will)
        else:
            self._front = Front(listening, self._answer)
            threading.Thread(
                target=self._front.serve_forever, args=(0.05,), name="metrics", daemon=True
            ).start()
        return f"http://{f'[{host}]' if ':' in host else host}:{bound}/metrics"

    def stop(self) -> None:
        """Serve no more; scrapes under way end by themselves."""
        if self._kiosk is not None:
            self._kiosk.stop()
        if self._front is not None:
            self._front.shutdown()
            self._front.server_close()
        self._kiosk = self._front = None

    def _answer(self, path: str) -> tuple[int, bytes]:
        figures = self.text() if path == "/metrics" else b""
        return Page(figures, figures, 0.0, self.unready, self.dead).answer(path)

    def _page(self) -> Page:
        """All that may be asked for, printed; the figures only where they are news."""
        snapshot, until_s = self._shown
        if self._printed is None or self._printed[0] is not snapshot:
            process = generate_latest(self._process)
            texts = (b"", b"") if snapshot is None else (snapshot.text(), snapshot.text(shops=False))
            self._printed = snapshot, texts[0] + process, texts[1] + process
        return Page(*self._printed[1:], until_s, self.unready, self.dead)
