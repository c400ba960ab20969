"""However a log comes, it is read whole; a bad line costs that line and nothing else."""

import base64
import gzip
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard

from csstream.core.floor import rulebook
from csstream.policy import with_settings
from csstream.replay import Job, Progress, ReplayError, run
from csstream.replay.crew import Crew
from csstream.simulate import Plan
from csstream.simulate import lines as simulated
from tests.laws.notation import chat
from tests.replay.files import HANDBOOK, lines, replayed, results, written

PLAN = Plan(seed=7, start_ms=1_763_690_000_000, shops=2, messages=3_000)
LOG = [line + b"\n" for line in simulated(PLAN)]
FIGURES = ("facts.jsonl", "alerts.jsonl", "agents.csv", "shops.csv", "dead_letters.jsonl")
SMALL: dict[str, Any] = {"block_bytes": 30_000, "range_bytes": 20_000}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log as a plain file."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_bytes(b"".join(LOG))
    return path


@pytest.fixture(scope="module")
def expected(plain: Path) -> dict[str, bytes]:
    """The results of the log in one piece."""
    replayed(plain.parent / "expected", plain)
    found = results(plain.parent / "expected", *FIGURES)
    assert found["facts.jsonl"].count(b"\n") > 1_000
    return found


def shuffled(_: Path, out: Path) -> list[Path]:
    rows = list(LOG)
    random.Random(3).shuffle(rows)
    return [file(out / "shuffled", b"".join(rows))]


def doubled(plain: Path, _: Path) -> list[Path]:
    return [plain, plain]


def split(_: Path, out: Path) -> list[Path]:
    return [file(out / f"part-{n}", b"".join(LOG[n::3])) for n in range(3)]


def gzipped(plain: Path, out: Path) -> list[Path]:
    data = plain.read_bytes()
    return [file(out / "log.jsonl.gz", gzip.compress(data[:70_001]) + gzip.compress(data[70_001:]))]


def zstandarded(plain: Path, out: Path) -> list[Path]:
    data, pack = plain.read_bytes(), zstandard.ZstdCompressor().compress
    return [file(out / "log.jsonl.zst", pack(data[:70_001]) + pack(data[70_001:]))]


def windows(_: Path, out: Path) -> list[Path]:
    rows = [line.replace(b"\n", b"\r\n") for line in LOG]
    return [file(out / "windows", b"\xef\xbb\xbf" + b"\r\n".join([*rows, b"  "]))]


def file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("way", [shuffled, doubled, split, gzipped, zstandarded, windows])
def test_the_way_a_log_comes_changes_no_byte_of_the_results(
    way: Callable[[Path, Path], list[Path]],
    workers: int,
    plain: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    replayed(tmp_path / "out", *way(plain, tmp_path), workers=workers, **SMALL)
    assert results(tmp_path / "out", *FIGURES) == expected


def test_the_alerts_of_a_state_are_the_same_for_one_worker_two_and_three(tmp_path: Path) -> None:
    shifts = [
        {"id": f"on{x}{n}", "type": "presence", "ts": PLAN.start_ms + n * 600_000, "shop": shop, "agent": f"a{x:02}",
         "state": ("hung", "offline", "online")[n % 3]}
        for shop in ("s01", "s02") for x in range(1, 8) for n in range(12)
    ]  # fmt: skip
    log = file(
        tmp_path / "log.jsonl", b"".join(LOG) + b"".join(json.dumps(e).encode() + b"\n" for e in shifts)
    )
    policy = with_settings(
        HANDBOOK, ["storm.waits=3", "reply_rate.after=5", "feed_silent.over=60s", "midnight.at=10:05, 10:20"]
    )
    found = []
    for workers in (1, 2, 3):
        replayed(tmp_path / "out", log, workers=workers, policy=policy, **SMALL)
        found.append((tmp_path / "out" / "alerts.jsonl").read_bytes())
    assert found[0] == found[1] == found[2]
    assert {json.loads(line)["rule"] for line in found[0].splitlines()} >= set(rulebook.names())


def test_the_number_of_workers_changes_no_byte_but_the_run_times(plain: Path, tmp_path: Path) -> None:
    manifests, reports = [], []
    for workers in (1, 2, 3):
        replayed(tmp_path / "out", plain, workers=workers, **SMALL)
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert manifest.pop("run")["workers"] == workers
        manifests.append(manifest)
        reports.append((tmp_path / "out" / "report.html").read_bytes())
    assert manifests[0] == manifests[1] == manifests[2]
    assert reports[0] == reports[1] == reports[2]
    assert manifests[0]["inputs"] == [
        {
            "file": str(plain),
            "sha256": hashlib.sha256(plain.read_bytes()).hexdigest(),
            "bytes": plain.stat().st_size,
            "lines": len(LOG),
        }
    ]


def test_standard_input_is_a_log_too(
    plain: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = gzip.compress(plain.read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    replayed(tmp_path / "out", "-", **SMALL)
    assert results(tmp_path / "out", *FIGURES) == expected
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["inputs"][0]["sha256"] == hashlib.sha256(data).hexdigest()


BAD = (
    (b"{", "not_json"),
    (b"[1]", "not_object"),
    (b'{"v":2,"id":"a","type":"message"}', "unsupported_version"),
    (b'{"id":"a","type":"massage","ts":1,"shop":"s","customer":"c"}', "unknown_type"),
    (b'{"id":"a","type":"message","ts":1,"shop":"s","sender":"customer"}', "missing:customer"),
    (b'{"id":"a","type":"message","ts":"soon","shop":"s","customer":"c","sender":"customer"}', "bad:ts"),
    (b'{"id":"a\xff"}', "not_json"),
    (b'{"text":"' + b"x" * (1 << 20) + b'"}', "too_large"),
    (b'{"text":"' + b"y" * 5_000_000 + b'"}', "too_large"),
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("workers", [1, 2])
def test_each_bad_line_is_told_once_by_file_and_line_and_nothing_else_is_lost(
    pack: Callable[[bytes], bytes], workers: int, expected: dict[str, bytes], tmp_path: Path
) -> None:
    rows = list(LOG)
    places = {}
    for n, (line, reason) in enumerate(BAD):
        at = 100 + 300 * n
        rows.insert(at, line + b"\n")
        places[at + 1] = line, reason
    rows.insert(50, b" \t\n")
    places = {number + 1: bad for number, bad in places.items()}
    first = file(tmp_path / "first", b"".join(rows[:1500]))
    second = file(tmp_path / "second", pack(b"".join(rows[1500:])))
    summary = replayed(tmp_path / "out", first, second, workers=workers, **SMALL)
    letters = lines(tmp_path / "out" / "dead_letters.jsonl")
    assert [(letter["file"], letter["line"], letter["reason"]) for letter in letters] == [
        (str(first if number <= 1500 else second), number if number <= 1500 else number - 1500, reason)
        for number, (_, reason) in places.items()
    ]
    for letter, (line, _) in zip(letters, places.values(), strict=True):
        if len(line) > 1 << 20:
            assert letter["raw"].encode() == line[: 64 * 1024]
            assert letter["raw_bytes"] == len(line)
            assert letter["raw_sha256"] == hashlib.sha256(line).hexdigest()
        elif b"\xff" in line:
            assert letter["raw"] == r'{"id":"a\xff"}'
            assert base64.b64decode(letter["raw_base64"]) == line
        else:
            assert letter["raw"].encode() == line
    found = results(tmp_path / "out", *FIGURES)
    del found["dead_letters.jsonl"]
    assert found == {name: data for name, data in expected.items() if name in found}
    assert summary.dead_letters["too_large"] == 2
    assert summary.counts["blank"] == 1


def test_a_byte_order_mark_is_no_part_of_the_first_event_even_before_a_huge_line(tmp_path: Path) -> None:
    huge = b'{"id":"' + b"x" * (4 << 20) + b'"}\n'
    log = file(tmp_path / "log", b"\xef\xbb\xbf" + b"".join([*LOG[:5], huge, *LOG[5:9]]))
    summary = replayed(tmp_path / "out", log, **SMALL)
    assert (summary.counts["accepted"], summary.dead_letters) == (9, {"too_large": 1})


@pytest.mark.parametrize("cut", ["gz", "zst"])
def test_a_log_that_was_cut_off_fails_the_run_and_names_the_way_out(
    cut: str, plain: Path, tmp_path: Path
) -> None:
    data = plain.read_bytes()
    packed = gzip.compress(data) if cut == "gz" else zstandard.ZstdCompressor().compress(data)
    path = file(tmp_path / f"cut.{cut}", packed[:-20])
    with pytest.raises(
        ReplayError, match=rf"cut\.{cut}: the \w+ stream is broken or cut off .* unpack what can"
    ):
        replayed(tmp_path / "out", path, **SMALL)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("absent.jsonl", "absent.jsonl: cannot be read: No such file"),
        (".", "a directory; name the files in it"),
    ],
)
def test_what_is_no_file_is_named(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReplayError, match=says):
        replayed(tmp_path / "out", name)


@pytest.mark.parametrize("begin", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"], ids=["gzip", "zstandard"])
def test_what_a_driver_reads_is_no_packed_file_whatever_its_first_record_is(
    begin: bytes, tmp_path: Path
) -> None:
    opened = {
        "topics": io.BytesIO(
            begin
            + b"\n"
            + b"\n".join(simulated(Plan(seed=1, messages=20, start_ms=1_767_225_600_000)))
            + b"\n"
        )
    }
    summary = run(Job(("topics",), tmp_path / "out", (HANDBOOK,), opened=cast("Any", opened)))
    assert summary.counts["accepted"] >= 20
    assert summary.dead_letters == {"not_json": 1}


def test_what_can_be_read_once_is_not_asked_for_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names `topics` twice"):
        Job(("topics", "topics"), tmp_path / "out", (HANDBOOK,), opened={"topics": io.BytesIO()})


def test_a_log_of_nothing_gives_files_of_nothing(tmp_path: Path) -> None:
    summary = replayed(tmp_path / "out", file(tmp_path / "empty", b""))
    assert summary.counts["accepted"] == 0
    assert (tmp_path / "out" / "shops.csv").read_text().count("\n") == 1
    assert (tmp_path / "out" / "facts.jsonl").read_bytes() == b""


def test_a_foreign_log_is_pointed_to_the_import(tmp_path: Path) -> None:
    summary = replayed(tmp_path / "out", file(tmp_path / "log.csv", b"date,who\n2026-11-21,A\n"))
    assert summary.dead_letters == {"not_json": 2}
    assert any("csstream import" in note for note in summary.notes)


class Enough(Exception):  # noqa: N818 - what a person does
    """Somebody ends the run."""


@pytest.mark.parametrize("phase", ["reading", "auditing", "writing"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_ended_leaves_the_results_of_the_last_one_as_they_were(
    phase: str, workers: int, plain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    replayed(out, written(chat("10:00:00 c"), tmp_path / "log"))
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def end(progress: Progress) -> None:
        if progress.phase == phase:
            raise Enough

    with pytest.raises(Enough):
        run(Job((str(plain),), out, (HANDBOOK,), workers, **SMALL), end)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_ctrl_c_ends_all_processes_and_leaves_nothing(plain: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from csstream.policy import load; from csstream.replay import *\n"
        "def show(p): print(p.phase, flush=True)\n"
        f"run(Job(('-', {str(plain)!r}), Path({str(tmp_path / 'out')!r}), (load('handbook'),), 2, "
        "block_bytes=30_000), show)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(plain.read_bytes())
    process.stdin.flush()
    assert process.stdout.readline() == b"reading\n"
    os.killpg(process.pid, signal.SIGINT)
    with process:
        process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_what_a_killed_run_left_behind_is_removed_by_the_next(plain: Path, tmp_path: Path) -> None:
    left = tmp_path / "out" / ".replay-old"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "0.run").write_bytes(b"x")
    replayed(tmp_path / "out", plain)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_a_worker_that_is_killed_fails_the_run_with_the_likely_cause() -> None:
    with (
        pytest.raises(ReplayError, match="a worker process was killed, most likely for lack of memory"),
        Crew(2) as crew,
    ):
        list(crew.work([killed, killed, killed]))


def killed() -> None:
    """What the kernel does to a process that takes too much."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_progress_ends_at_the_whole_log(plain: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(Job((str(plain),), tmp_path / "out", (HANDBOOK,)), seen.append)
    last = [progress for progress in seen if progress.phase == "reading"][-1]
    assert (last.done, last.total, last.lines) == (plain.stat().st_size, plain.stat().st_size, len(LOG))


MEASURE = """
import sys
from pathlib import Path
from typing import Any, cast
from csstream.policy import load
from csstream.replay import *
run(Job((sys.argv[1],), Path(sys.argv[2]), (load("handbook"),), 1, block_bytes=500_000, range_bytes=500_000))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc/self/status")
def test_memory_depends_on_the_limits_and_not_on_the_log(tmp_path: Path) -> None:
    def days() -> Iterator[bytes]:
        for line in simulated(Plan(seed=1, start_ms=1_763_690_000_000, agents=20, messages=100_000)):
            yield line + b"\n"

    peaks = []
    rows = list(days())
    for name, some in (("short", rows[: len(rows) // 4]), ("long", rows)):
        path = file(tmp_path / name, b"".join(some))
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path), str(tmp_path / f"out-{name}")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert path.stat().st_size > 16_000_000
    assert peaks[1] - peaks[0] < 5_000, f"kB, for 12 MB more of log: {peaks}"
