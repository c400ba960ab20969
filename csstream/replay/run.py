"""The driver of `csstream replay` (SPEC 3, 7, 8, 10): read and sort, tell, write.

Nothing of a run is seen before it is complete: everything is made in a hidden folder inside the output folder and
moved to its place in the end, the manifest last. Whatever ends the run earlier leaves the old files as they were.
"""

import fcntl
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from csstream import __version__
from csstream.core.facts import Wait
from csstream.core.floor import rulebook
from csstream.events import Profile, Shift
from csstream.policy import Policy, describe
from csstream.replay.crew import Crew, Piece
from csstream.replay.floor import Chunk
from csstream.replay.job import MIB, Job, OnProgress, Progress, ReplayError, Summary
from csstream.replay.lost import LostInquiry, first
from csstream.replay.read import Source, digest_of
from csstream.replay.report import ReportInput, render
from csstream.replay.sort import FIRST_CUSTOMER, Place, Run, cut_run, sort_block
from csstream.replay.tables import Provisional
from csstream.replay.tell import KINDS, Part, Plan, Told, judge_shop, longest, tell_range, write_plan
from csstream.replay.write import (
    FactsPart,
    Figures,
    write_alerts,
    write_dead_letters,
    write_facts,
    write_tables,
    write_what_if,
)

_SMALL = 4 * MIB  # not worth a process
_FIRST: Place = (0, "", "")


def run(job: Job, progress: OnProgress | None = None) -> Summary:
    """Audit the logs of `job` into its folder. Bad lines are set aside; ReplayError where the run cannot go on.

    `progress` is called from this thread, a few times a second at most, and may raise to end the run.
    """
    try:
        job.out.mkdir(parents=True, exist_ok=True)
        with _workshop(job.out) as folder, Crew(job.workers) as crew:
            return _Replay(job, folder, crew, progress or _silently).run()
    except OSError as error:
        where = error.filename or job.out
        raise ReplayError(
            f"{where}: {error.strerror or error}; the results go to {job.out} and need room there for about "
            "five times the log; free some, or choose another folder with --out"
        ) from None


def _silently(_: Progress) -> None:
    pass


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A hidden folder of our own; those of runs that were killed are removed."""
    for left in out.glob(".replay-*"):
        try:
            with (left / "lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # another run is at work there
    folder = Path(tempfile.mkdtemp(prefix=".replay-", dir=out))
    try:
        with (folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Digest:
    source: int
    sha256: str


def _digest(source: int, path: str, size: int) -> _Digest:
    return _Digest(source, digest_of(path, size))


@dataclass(slots=True)
class _Account:
    """What all ranges told under one policy."""

    policy: Policy
    parts: dict[int, Part] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: int = 0
    conflicts: int = 0
    newest: dict[str, int] = field(default_factory=dict)
    hours: dict[str, list[list[int]]] = field(default_factory=dict)
    longest: list[Wait] = field(default_factory=list)
    changes: dict[str, list[Chunk]] = field(default_factory=dict)
    floors: list[Path] = field(default_factory=list)
    """Alerts of the rules of a state, one file a shop."""
    lost: list[LostInquiry] = field(default_factory=list)
    scripts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    roster: list[Profile | Shift] = field(default_factory=list)

    def add(self, part: Part, clocks: Mapping[str, int]) -> None:
        self.facts.update(part.facts)
        self.alerts.update(part.alerts)
        self.duplicates += part.duplicates
        self.conflicts += part.conflicts
        for shop, ts in part.newest.items():
            self.newest[shop] = max(ts, self.newest.get(shop, -1))
        for shop, hours in part.hours.items():
            known = self.hours.setdefault(shop, [[0, 0] for _ in range(24)])
            for mine, theirs in zip(known, hours, strict=True):
                mine[0] += theirs[0]
                mine[1] += theirs[1]
        waits = [*self.longest, *part.longest]
        self.longest = [
            wait
            for _, wait in longest(
                [((clocks[w.shop] if w.until is None else w.until) - w.since, w) for w in waits]
            )
        ]
        self.lost = first([*self.lost, *part.lost])
        for key, columns in part.scripts.items():
            self.scripts.setdefault(key, Counter(dict.fromkeys(columns, 0))).update(columns)
        self.roster += part.roster
        for shop, chunks in part.changes.items():
            self.changes.setdefault(shop, []).extend(chunks)
        part.longest, part.roster, part.hours, part.changes = [], [], {}, {}
        part.lost, part.scripts = [], {}
        self.parts[part.number] = part


class _Replay:
    def __init__(self, job: Job, folder: Path, crew: Crew, progress: OnProgress) -> None:
        self.job = job
        self.folder = folder
        self.crew = crew
        self._progress = progress
        self._shown, self._shown_at = "", 0.0  # the last phase, and when
        self._began = time.monotonic()
        self._started = datetime.now(UTC)
        self.sources: list[Source] = []
        self.digests: dict[int, str] = {}
        self.runs: list[Run] = []
        self.lines = 0
        self.notes: list[str] = []
        self.events: Counter[str] = Counter()
        self.customers = 0
        self._agent_events: Counter[str] = Counter()

    def run(self) -> Summary:
        for name in ("runs", "final", *(f"policy-{at}" for at in range(len(self.job.policies)))):
            (self.folder / name).mkdir()
        self._read()
        accounts, clocks = self._tell()
        return self._write(accounts, clocks)

    def _show(self, phase: str, done: int, total: int | None, *, now: bool = False) -> None:
        at = time.monotonic()
        if now or phase != self._shown or at - self._shown_at >= 0.1:
            self._shown, self._shown_at = phase, at
            self._progress(Progress(phase, done, total, self.lines))

    # ---- read -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        with ExitStack() as stack:
            for number, name in enumerate(self.job.inputs):
                source = Source(number, name, self.job.opened.get(name))
                stack.callback(source.close)
                self.sources.append(source)
            sizes = [source.size for source in self.sources]
            total = None if None in sizes else sum(size or 0 for size in sizes)
            done = 0
            for result in self.crew.work(self._pieces()):
                if isinstance(result, _Digest):
                    self.digests[result.source] = result.sha256
                    continue
                self.runs.append(result)
                self.lines += result.lines
                if self.sources[result.source].plain:
                    done += result.bytes
                packed = sum(source.read for source in self.sources if not source.plain)
                self._show("reading", done + packed, total)
            for source in self.sources:
                self.digests.setdefault(source.number, source.sha256)
            self._show("reading", sum(source.read for source in self.sources), total, now=True)
        self.runs.sort(key=lambda run: run.number)
        ordered = True
        before = -1
        for each in self.runs:
            if each.first_ts >= 0:
                ordered = ordered and not each.disordered and before <= each.first_ts
                before = each.last_ts
        if not ordered:
            self.notes.append(
                f"The input is not in order of time; it was sorted by customer on disk ({len(self.runs)} runs). "
                "The results are those of the same log in order."
            )

    def _pieces(self) -> Iterator[Piece[Run | _Digest]]:
        numbers = count()
        job = self.job
        for source in self.sources:
            if source.plain:
                assert source.size is not None
                piece = partial(_digest, source.number, source.name, source.size)
                if source.size <= _SMALL:
                    self.digests[source.number] = piece().sha256
                else:
                    yield piece
            for block in source.blocks(job.block_bytes, numbers):
                yield partial(
                    sort_block,
                    block,
                    source.shown,
                    self.folder / "runs",
                    job.block_bytes,
                    job.from_ms,
                    job.to_ms,
                )

    # ---- tell -------------------------------------------------------------------------------------------

    def _tell(self) -> tuple[list[_Account], list[dict[str, int]]]:
        job = self.job
        newest: dict[str, int] = {}
        for each in self.runs:
            for shop, ts in each.newest.items():
                newest[shop] = max(ts, newest.get(shop, -1))
        ranges = _cuts(self.runs, job.range_bytes, job.workers)
        cuts = [place for place, _ in ranges]
        sizes = [size for _, size in ranges]
        for _ in self.crew.work(partial(cut_run, each, cuts) for each in self.runs):
            pass
        clocks = [dict(newest) for _ in job.policies]
        roster: list[Sequence[Profile | Shift]] = [() for _ in job.policies]
        split = cuts.index(FIRST_CUSTOMER)
        agents = self._pass(0, range(split), sizes, clocks, roster)
        roster = [account.roster for account in agents]
        for version in (1, 2):
            accounts = self._pass(version, range(split, len(cuts)), sizes, clocks, roster)
            standing = [
                {
                    shop: max(account.newest.get(shop, -1), own.newest.get(shop, -1))
                    for shop in account.newest.keys() | own.newest.keys()
                }
                for account, own in zip(accounts, agents, strict=True)
            ]
            if standing == clocks:
                break
            clocks = standing  # the newest record of a shop was a copy that does not stand: tell again
        for account, own in zip(accounts, agents, strict=True):
            account.duplicates += own.duplicates
            account.conflicts += own.conflicts
            for shop, chunks in own.changes.items():
                account.changes.setdefault(shop, []).extend(chunks)
        self._judge(version, accounts)
        return accounts, clocks

    def _judge(self, version: int, accounts: Sequence[_Account]) -> None:
        """Judge the rules of a state, shop by shop, from what the stories told the floor."""
        path = self.folder / f"plan-{version}"
        pieces = (
            partial(judge_shop, path, version, at, shop, number, account.changes[shop])
            for at, account in enumerate(accounts)
            for number, shop in enumerate(sorted(account.changes))
        )
        for judged in self.crew.work(pieces):
            accounts[judged.at].floors.append(judged.path)
            accounts[judged.at].alerts.update(judged.alerts)
        for account in accounts:
            for changes in {chunk.path for own in account.changes.values() for chunk in own}:
                changes.unlink()
            account.changes = {}

    def _pass(
        self,
        version: int,
        numbers: range,
        sizes: Sequence[int],
        clocks: Sequence[Mapping[str, int]],
        roster: Sequence[Sequence[Profile | Shift]],
    ) -> list[_Account]:
        """Tell some ranges under all policies."""
        accounts = [_Account(policy) for policy in self.job.policies]
        path = self.folder / f"plan-{version}"
        write_plan(Plan(self.folder, tuple(self.runs), self.job.policies, tuple(clocks), tuple(roster)), path)
        if version == 2:
            self.customers = 0
            self.events = self._agent_events.copy()
        done, total = 0, sum(sizes)
        pieces = (partial(tell_range, path, version, number, sizes[number]) for number in numbers)
        told: Told
        for told in self.crew.work(pieces):
            done += told.bytes
            self.events.update(told.events)
            self.customers += told.customers
            for account, part, clock in zip(accounts, told.parts, clocks, strict=True):
                account.add(part, clock)
            self._show("auditing", done, total)
        if version == 0:
            self._agent_events = self.events.copy()
        return accounts

    # ---- write ------------------------------------------------------------------------------------------

    def _write(self, accounts: list[_Account], clocks: list[dict[str, int]]) -> Summary:
        job = self.job
        final = self.folder / "final"
        names = [""] if len(job.policies) == 1 else _folder_names(job.policies)
        for name in names:
            (final / name).mkdir(exist_ok=True)
        self._show("writing", 0, None)
        pieces = self._last_pieces(accounts, [final / name for name in names], clocks)
        figures = {at: found for at, found in self.crew.work(pieces) if found is not None}
        letters = write_dead_letters(self.runs, final / names[0] / "dead_letters.jsonl")
        for name in names[1:]:
            shutil.copyfile(final / names[0] / "dead_letters.jsonl", final / name / "dead_letters.jsonl")
        if len(names) > 1:
            write_what_if(
                {_label(job.policies, at): final / name for at, name in enumerate(names)},
                final / "what-if.csv",
            )
        inputs = self._inputs()
        rejected: Counter[str] = Counter()
        for each in self.runs:
            rejected.update(each.rejected)
        self._note(rejected)
        counts = [self._counts(account, rejected) for account in accounts]
        for at, (account, name) in enumerate(zip(accounts, names, strict=True)):
            report = self._report(account, counts[at], inputs, figures[at], clocks[at], rejected)
            (final / name / "report.html").write_text(render(report), encoding="utf-8")
            manifest = self._manifest(account.policy, counts[at], inputs)
            (final / name / "manifest.json").write_bytes(
                msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
            )
        _move(final, job.out)
        return Summary(
            counts=counts[0],
            folders=tuple(job.out / name for name in names),
            policies=tuple(_label(job.policies, at) for at in range(len(names))),
            shops=tuple(figures[at].shop_totals for at in range(len(names))),
            dead_letters=dict(sorted(rejected.items())),
            notes=tuple(self.notes),
            seconds=time.monotonic() - self._began,
            bytes=sum(source.read for source in self.sources),
            what_if=job.out / "what-if.csv" if len(names) > 1 else None,
            examples=tuple(
                {"file": each.file, "line": each.line, "reason": each.reason, "error": each.error}
                for each in letters
            ),
        )

    def _last_pieces(
        self, accounts: Sequence[_Account], folders: Sequence[Path], clocks: Sequence[Mapping[str, int]]
    ) -> Iterator[Piece[tuple[int, Figures | None]]]:
        at_hand = 8 * self.job.range_bytes
        for at, (account, folder) in enumerate(zip(accounts, folders, strict=True)):
            parts = [account.parts[number] for number in sorted(account.parts)]
            kinds = [
                [FactsPart(part.path(kind), *part.ends[kind]) for part in parts if kind in part.ends]
                for kind in KINDS
            ]
            scratch = self.folder / f"policy-{at}" / "samples"
            yield partial(_facts_piece, at, kinds, folder / "facts.jsonl", at_hand)
            alerts = [*(part.path("alerts") for part in parts), *sorted(account.floors)]
            yield partial(_alerts_piece, at, alerts, folder / "alerts.jsonl", at_hand)
            rows = [part.path("rows") for part in parts]
            yield partial(_tables_piece, at, rows, folder, scratch, Provisional(account.policy, clocks[at]))

    def _inputs(self) -> list[dict[str, Any]]:
        lines: Counter[int] = Counter()
        for each in self.runs:
            lines[each.source] += each.lines
        return [
            {
                "file": source.shown,
                "sha256": self.digests[source.number],
                "bytes": source.read,
                "lines": lines[source.number],
            }
            for source in self.sources
        ]

    def _note(self, rejected: Mapping[str, int]) -> None:
        self.notes.append(f"Alert rules in alerts.jsonl: {', '.join(rulebook.all_names())}.")
        if rejected and not self.events:
            self.notes.append(
                "No line is an event of the wire format; a foreign log is turned into events by `csstream import`."
            )

    def _counts(self, account: _Account, rejected: Mapping[str, int]) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "blank": sum(each.blank for each in self.runs),
            "out_of_range": sum(each.outside for each in self.runs),
            "rejected": sum(rejected.values()),
            "rejected_by_reason": dict(sorted(rejected.items())),
            "accepted": sum(self.events.values()),
            "events": dict(sorted(self.events.items())),
            "duplicates": account.duplicates,
            "conflicts": account.conflicts,
            "shops": len({shop for each in self.runs for shop in each.newest}),
            "customers": self.customers,
            "facts": {kind: account.facts[kind] for kind in KINDS},
            "alerts": sum(account.alerts.values()),
        }

    def _report(
        self,
        account: _Account,
        counts: Mapping[str, Any],
        inputs: Sequence[Mapping[str, Any]],
        figures: Figures,
        clocks: Mapping[str, int],
        rejected: Mapping[str, int],
    ) -> ReportInput:
        notes = list(self.notes)
        if figures.left_out:
            notes.append(
                f"{figures.left_out} rows of single days are left out here; the CSV files have them."
            )
        return ReportInput(
            version=__version__,
            policy=describe(account.policy),
            policy_tag=account.policy.tag,
            timezone=account.policy.timezone,
            inputs=inputs,
            counts=counts,
            notes=notes,
            shops=figures.shops,
            agents=figures.agents,
            shop_totals=figures.shop_totals,
            agent_totals=figures.agent_totals,
            hours={
                shop: [(waits, late) for waits, late in hours]
                for shop, hours in sorted(account.hours.items())
            },
            histogram=figures.histogram,
            longest=account.longest,
            lost=account.lost,
            scripts={key: dict(columns) for key, columns in sorted(account.scripts.items())},
            clocks=dict(sorted(clocks.items())),
            alerts=dict(sorted(account.alerts.items())),
            dead_letters=dict(sorted(rejected.items())),
        )

    def _manifest(
        self, policy: Policy, counts: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        seconds = time.monotonic() - self._began
        return {
            "version": __version__,
            "policy": policy.tag,
            "policy_fields": describe(policy),
            "from_ms": self.job.from_ms,
            "to_ms": self.job.to_ms,
            "inputs": inputs,
            "counts": counts,
            "notes": self.notes,
            "run": {
                "started": self._started.isoformat(timespec="seconds"),
                "seconds": round(seconds, 3),
                "lines_per_second": round(self.lines / max(seconds, 1e-9)),
                "workers": self.job.workers,
            },
        }


def _facts_piece(
    at: int, kinds: list[list[FactsPart]], out: Path, at_hand: int
) -> tuple[int, Figures | None]:
    write_facts(kinds, out, at_hand)
    return at, None


def _alerts_piece(at: int, paths: list[Path], out: Path, at_hand: int) -> tuple[int, Figures | None]:
    write_alerts(paths, out, at_hand)
    return at, None


def _tables_piece(
    at: int, parts: list[Path], folder: Path, scratch: Path, provisional: Provisional
) -> tuple[int, Figures | None]:
    return at, write_tables(parts, folder, scratch, provisional)


def _cuts(runs: Sequence[Run], range_bytes: int, workers: int) -> list[tuple[Place, int]]:
    """The beginnings of the ranges, in order, and about how many bytes each holds. Customers' begin a range."""
    weights: list[tuple[Place, int]] = []
    for each in runs:
        ends = [at for _, at in each.samples[1:]] + [each.size]
        weights += [(place, end - at) for (place, at), end in zip(each.samples, ends, strict=False)]
    weights.sort()
    total = sum(size for _, size in weights)
    target = range_bytes
    if workers > 1 and total > _SMALL:
        target = min(range_bytes, total // (4 * workers) + 1)
    found: list[tuple[Place, int]] = []
    if any(each.agents for each in runs):
        found.append((_FIRST, 0))
    else:
        found.append((FIRST_CUSTOMER, 0))
    for place, size in weights:
        start, held = found[-1]
        if place[0] and not start[0]:
            found.append((FIRST_CUSTOMER, size))
        elif held and held + size > target and place[1] != start[1]:
            found.append(((place[0], place[1], ""), size))
        else:
            found[-1] = start, held + size
    if not found[-1][0][0]:
        found.append((FIRST_CUSTOMER, 0))
    return found


def _folder_names(policies: Sequence[Policy]) -> list[str]:
    """A folder for each policy: its id, with a number from the second of the same id on."""
    names: list[str] = []
    for policy in policies:
        name = policy.id
        for n in count(2):
            if name not in names:
                break
            name = f"{policy.id}-{n}"
        names.append(name)
    return names


def _label(policies: Sequence[Policy], at: int) -> str:
    """What a policy is called beside others: its tag, and its folder where two have the same."""
    tags = [policy.tag for policy in policies]
    return tags[at] if tags.count(tags[at]) == 1 else f"{tags[at]} ({_folder_names(policies)[at]})"


def _move(made: Path, out: Path) -> None:
    """Move every file to its place, the manifests last: where a manifest stands, the rest is complete."""
    files = [path for path in made.rglob("*") if path.is_file()]
    files.sort(key=lambda path: (path.name == "manifest.json", path))
    for path in files:
        if path.name == "manifest.json":
            (out / path.relative_to(made)).unlink(missing_ok=True)
    for path in files:
        place = out / path.relative_to(made)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
