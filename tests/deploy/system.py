"""The services of docker-compose.yml as processes on this machine, without Docker.

What is tried is the file itself: commands, settings of the broker, order of the start and health checks are read off
it. Only what a container gives is replaced: addresses, ports and the places where secrets lie.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.programs import ROOT, Running, csstream, free_port, wait_for
from tests.kafka.node import Node

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))[
    "services"
]


def broker_settings() -> str:
    """The broker's settings in the compose file, as its image turns them into a file; places are the node's."""
    given = SERVICES["kafka"]["environment"]
    inside = {"KAFKA_HEAP_OPTS"}  # of the image, not of the broker
    said = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in given.items()
        if name.startswith("KAFKA_") and name not in inside
    }
    said["log.dirs"] = "{data}"
    said["controller.quorum.voters"] = "1@127.0.0.1:{controller}"
    said["listeners"] = "INSIDE://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},HOST://127.0.0.1:0"
    said["advertised.listeners"] = said["advertised.listeners"].replace("kafka:9092", "127.0.0.1:{port}")
    return "".join(f"{name}={value}\n" for name, value in said.items())


class Receiver:
    """A fake of whoever is told: takes every POST with what it is told to answer, and keeps the bodies by path."""

    def __init__(self, answer: bytes = b"{}") -> None:
        self.got: list[tuple[str, bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.got.append((self.path, body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def first(self, path: str, seconds: float) -> bytes:
        """The body of the first request to a path that begins so."""
        return wait_for(
            f"a request to {path}",
            lambda: next((body for at, body in self.got if at.startswith(path)), None),
            seconds,
        )


class System:
    """Services by name, as they are started; all end with the block."""

    def __init__(self, folder: Path, secrets: Path, stack: ExitStack) -> None:
        self.folder, self.secrets = folder, secrets
        self.addresses: dict[str, list[str]] = {}
        self.running: dict[str, Running] = {}
        self.broker = ""
        self._stack = stack

    def start_broker(self) -> None:
        """Kafka, with the settings of the file."""
        self.broker = self._stack.enter_context(Node(broker_settings())).address

    def words(self, name: str, port: int) -> list[str]:
        """The command of a service with addresses and places of this machine."""
        places = {
            "/run/secrets/": f"{self.secrets}/",
            "/etc/csstream/alerts/": f"{self.secrets}/alerts/",
            "0.0.0.0": "127.0.0.1",
        }
        words = list(SERVICES[name]["command"])
        for inside, here in places.items():
            words = [word.replace(inside, here) for word in words]
        return [str(port) if word in {"9464", "8080"} else word for word in words]

    def environment(self, name: str) -> dict[str, str]:
        """What a container of the service has, and the path to our own package."""
        given = SERVICES[name]["environment"] | {"CSSTREAM_BROKER": self.broker, "TMPDIR": str(self.folder)}
        return {key: str(value) for key, value in given.items()} | {
            "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PATH": "/usr/bin:/bin"
        }  # fmt: skip

    def run(self, name: str, *more: str) -> str:
        """Run a command of a service that ends by itself; what it said."""
        done = subprocess.run(
            csstream(*self.words(name, 0), *more),
            cwd=ROOT, env=self.environment(name), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *more: str) -> Running:
        """Start one process of a service; `more` is added to its command."""
        port = free_port()
        own = f"{name}-{len(self.addresses.get(name, ())) + 1}"
        running = Running(own, csstream(*self.words(name, port), *more), self.folder, self.environment(name))
        self._stack.enter_context(running)
        self.running[own] = running
        self.addresses.setdefault(name, []).append(f"127.0.0.1:{port}")
        return running

    def healthy(self, name: str) -> bool:
        """Whether the health check of the file is content with every process of a service."""
        test = SERVICES[name]["healthcheck"]["test"]
        assert test[:2] == ["CMD", "python"]
        for address in self.addresses[name]:
            words = [re.sub(r"127\.0\.0\.1:\d+", address, word) for word in test[2:]]
            if subprocess.run([sys.executable, *words], capture_output=True, timeout=30).returncode:
                return False
        return True

    def wait_until_healthy(self, *names: str, seconds: float = 60) -> None:
        """Until all of these are."""
        for name in names:

            def look(name: str = name) -> bool:
                for own, running in self.running.items():
                    ended = own.startswith(name) and running.process.poll() is not None
                    assert not ended, f"{own} has ended:\n{running.said()[-3000:]}"
                return self.healthy(name)

            wait_for(f"{name} is healthy", look, seconds)

    def targets(self) -> Mapping[str, list[str]]:
        """What Prometheus scrapes, by job."""
        return {
            f"csstream-{name}": at for name, at in self.addresses.items() if "healthcheck" in SERVICES[name]
        }


@contextmanager
def system(folder: Path, secrets: Path) -> Iterator[System]:
    """A system without services yet."""
    with ExitStack() as stack:
        yield System(folder, secrets, stack)
