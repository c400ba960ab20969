"""How fast a replay is, beside two programs that do far less: `python -m tests.bench.bench_replay`.

Rates of one machine say little, so all three read the same lines in the same run, by turns, and what counts is
the ratio. DuckDB computes, in SQL, only the number, mean and p90 of each agent's responses (from the first
unanswered message to the next human reply); the bare loop only decodes every line and counts by customer.
A replay writes every fact, alert and figure.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson

import csstream.core
from csstream.simulate import Plan, lines

START_MS = 1_760_000_000_000

REPLAY = """
import sys
from pathlib import Path
from csstream.policy import load
from csstream.replay import Job, run
run(Job((sys.argv[1],), Path(sys.argv[2]), (load("handbook"),), workers=int(sys.argv[3])))
"""

# A reply answers if the message before it (notes aside) is of the customer; it answers the first one since the last reply.
SQL = """
with spoken as (
    select shop, customer, agent, sender, ts, id
    from read_json(?, format = 'newline_delimited', columns = {
        id: 'varchar', type: 'varchar', ts: 'bigint', shop: 'varchar', customer: 'varchar',
        agent: 'varchar', sender: 'varchar', internal: 'boolean'})
    where type = 'message' and internal is not true and sender in ('customer', 'human', 'assist_bot')
), turns as (
    select *, sender <> 'customer' as reply,
        coalesce(sum((sender <> 'customer')::int) over (
            partition by shop, customer order by ts, sender <> 'customer', id
            rows between unbounded preceding and 1 preceding), 0) as turn
    from spoken
), answered as (
    select any_value(agent) filter (reply) as agent, any_value(shop) as shop,
        max(ts) filter (reply) - min(ts) filter (not reply) as ms
    from turns group by shop, customer, turn
)
select shop, agent, count(ms) as responses, avg(ms) as mean, quantile_cont(ms, 0.9) as p90
from answered where ms is not null and agent is not null group by shop, agent order by shop, agent
"""


def replay(log: Path, folder: Path, workers: int) -> None:
    """The whole audit, in a process of its own."""
    subprocess.run([sys.executable, "-c", REPLAY, str(log), str(folder / "out"), str(workers)], check=True)


def in_sql(log: Path, threads: int) -> list[tuple[object, ...]]:
    """DuckDB on the same lines."""
    with duckdb.connect(config={"threads": threads}) as connection:
        return connection.execute(SQL, [str(log)]).fetchall()


def bare(log: Path) -> dict[tuple[str, str | None], int]:
    """The least that Python can do with a log."""
    seen: dict[tuple[str, str | None], int] = {}
    with log.open("rb") as file:
        for line in file:
            event = orjson.loads(line)
            key = event["shop"], event.get("customer")
            seen[key] = seen.get(key, 0) + 1
    return seen


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Print rates and ratios for a log of eight shops and one of a single shop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shops in (8, 1):
            log = folder / f"{shops}.jsonl"
            plan = Plan(seed=1, start_ms=START_MS, shops=shops, agents=64 // shops, messages=given.messages)
            with log.open("wb") as file:
                file.writelines(line + b"\n" for line in lines(plan))
            compare(log, folder, given.workers, given.rounds, f"{shops} shop{'s' * (shops > 1)}")


def compare(log: Path, folder: Path, workers: int, rounds: int, title: str) -> None:
    """Run the three by turns, and print the median of each."""
    with log.open("rb") as file:
        events = sum(1 for _ in file)
    runs: dict[str, Callable[[], object]] = {
        "replay": lambda: replay(log, folder, workers),
        "DuckDB": lambda: in_sql(log, workers),
        "bare loop": lambda: bare(log),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, work in runs.items():
            seconds[name].append(timed(work))
    rates = {name: events / statistics.median(each) for name, each in seconds.items()}
    print(
        f"{title}: {events:,} events, {log.stat().st_size / 1e6:.0f} MB, {workers} workers, {rounds} rounds, "
        f"core {'compiled' if csstream.core.COMPILED else 'in Python'}"
    )
    for name, rate in rates.items():
        ratio = "" if name == "replay" else f"  replay / {name} = {rates['replay'] / rate:.2f}"
        print(
            f"  {name:10} {rate:>10,.0f} events/s  ({min(seconds[name]):.2f}-{max(seconds[name]):.2f} s){ratio}"
        )


if __name__ == "__main__":
    main()
