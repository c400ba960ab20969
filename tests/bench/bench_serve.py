"""How many events a second `csstream serve` keeps and counts on one core: `python -m tests.bench.bench_serve`.

The process may use one core only. Clients on the others post a shop's traffic as fast as they are answered, each
answer meaning that the events are on the disk. Time runs until the last event is counted.
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from csstream.simulate import Plan, lines

ROOT = Path(__file__).parents[2]
LONG_AGO_MS = 1_577_836_800_000


def post(address: str, token: str, bodies: Sequence[bytes], latencies: list[float]) -> None:
    """Post bodies over one connection."""
    host, _, port = address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    for body in bodies:
        while True:
            began_s = time.perf_counter()
            connection.request("POST", "/v1/events", body, {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                latencies.append(time.perf_counter() - began_s)
                break
            assert answer.status == 429, answer.status
            time.sleep(0.1)
    connection.close()


def metric(address: str, pattern: str) -> float:
    """The sum of the samples that match."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"(?m)^{pattern} (\S+)$", text))


def cpu_s(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--body", type=int, default=200, help="events of one request")
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    plan = Plan(seed=1, start_ms=LONG_AGO_MS, agents=14, customers_per_hour=235.0)
    log = list(islice(lines(plan), options.events))
    # Each connection has shops of its own: what one customer says stays in order.
    bodies: list[list[bytes]] = [[] for _ in range(options.connections)]
    for number, own in enumerate(bodies):
        part = log[number * len(log) // options.connections : (number + 1) * len(log) // options.connections]
        part = [line.replace(b'"shop":"s01"', b'"shop":"s%02d"' % number) for line in part]
        own += [b"\n".join(part[n : n + options.body]) for n in range(0, len(part), options.body)]
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        process = subprocess.Popen(
            [sys.executable, "-m", "csstream", "serve", "--data", str(data), "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(process.pid, {core})
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+?(?=/v1)", process.stdout.readline())
            assert found is not None
            address, token = found[0], (data / "token").read_text().strip()
            latencies: list[float] = []
            before_s, began_s = cpu_s(process.pid), time.perf_counter()
            clients = [threading.Thread(target=post, args=(address, token, own, latencies)) for own in bodies]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            answered_s = time.perf_counter() - began_s
            while metric(address, r"csstream_events_total\{.*\}") < len(log):
                time.sleep(0.05)
            counted_s = time.perf_counter() - began_s
            used_s = cpu_s(process.pid) - before_s
            rejected = metric(address, r'csstream_events_total\{.*"rejected"\}')
        finally:
            process.terminate()
            process.communicate(timeout=30)
    latencies.sort()
    result = {
        "events": len(log),
        "rejected": rejected,
        "answered_per_s": round(len(log) / answered_s),
        "counted_per_s": round(len(log) / counted_s),
        "counted_per_cpu_s": round(len(log) / used_s),
        "answer_p50_ms": round(latencies[len(latencies) // 2] * 1000),
        "answer_p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
