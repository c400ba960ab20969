"""One Apache Kafka node (KRaft) on 127.0.0.1, for tests and for a person: `python -m tests.kafka.node`.

A ledger that was never tried on a real broker is a guess: what is fenced, aborted or held back is decided there.
No container is needed, only Java 17 and the jars: from KAFKA_HOME, or fetched once with Maven and kept outside
the repository. Ports are free ones, all files lie in a folder of the node's own, and it ends with its maker.
"""

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.canary import SECRET
from tests.kafka.certificates import Authority

POM = Path(__file__).with_name("pom.xml")
WAY_OUT = (
    "set CSSTREAM_TEST_KAFKA=host:port or KAFKA_HOME, or install Java 17 (openjdk-17-jre-headless) and Maven"
)
UP_S = 60.0
FETCH_S = 240.0
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"

SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={plain} required user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={scram} required;
listener.name.sasl.scram-sha-512.sasl.jaas.config={scram} required;
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""

WITH_TLS = """\
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller},\
TLS://127.0.0.1:{tls},SASLTLS://127.0.0.1:{sasl_tls}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},\
TLS://127.0.0.1:{tls},SASLTLS://127.0.0.1:{sasl_tls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/node.both.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
listener.name.tls.ssl.client.auth=required
listener.name.sasltls.sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasltls.scram-sha-256.sasl.jaas.config={scram} required;
"""
"""Two listeners more, where certificates can be made: one asks for a certificate too, one for a name."""

USER, PASSWORD = "csstream", SECRET
"""Who may come in where names are asked for."""

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class NoKafkaError(Exception):
    """This machine can run no Kafka; the text says how it could."""


def java() -> str:
    """The Java to run, 17 or later."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    if found is None:
        raise NoKafkaError(f"there is no Java; {WAY_OUT}")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=30).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        raise NoKafkaError(f"Java is older than 17; {WAY_OUT}")
    return found


def jars() -> Path:
    """The folder of Kafka's jars; fetched when they are wanted for the first time, by one process only."""
    home = os.environ.get("KAFKA_HOME")
    if home:
        if not list(Path(home, "libs").glob("kafka-server-4*.jar")):
            raise NoKafkaError(f"KAFKA_HOME={home} holds no Kafka 4 in libs/; {WAY_OUT}")
        return Path(home, "libs")
    return fetched(POM, "kafka")


def fetched(pom: Path, name: str) -> Path:
    """The folder of the jars that a pom names, kept outside the repository."""
    version = re.search(r"<kafka.version>(.+?)<", pom.read_text("utf-8"))
    assert version is not None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "csstream"
    kept = cache / f"{name}-{version[1]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            _fetch(pom, kept)
    return kept


def classes(java: str, jars: Path) -> Path | None:
    """An archive of Kafka's classes, which Java maps instead of reading them one by one: a start takes half as long.

    Made once by a node that is started for it, by one process only; None beside jars that are not ours.
    """
    if os.environ.get("KAFKA_HOME"):
        return None
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30).stderr
    kept = jars.with_name(f"{jars.name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.jsa")
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=jars.parent) as folder:
                made = Path(folder, kept.name)
                with Node(learning=made) as node:
                    node.stop()
                made.touch()  # where Java makes none, an empty file says so
                made.rename(kept)
    return kept if kept.stat().st_size else None


def _fetch(pom: Path, kept: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafkaError(f"there is no Maven to fetch Kafka with; {WAY_OUT}")
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        lib = Path(folder, "lib")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={lib}", "-DincludeScope=runtime"]
        try:
            subprocess.run(
                [maven, "-q", "-B", "-f", pom, *goal], capture_output=True, check=True, timeout=FETCH_S
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NoKafkaError(f"Maven could not fetch Kafka; {WAY_OUT}") from error
        lib.rename(kept)


def free_ports() -> tuple[int, int]:
    """Two ports of 127.0.0.1 that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def end_with_maker() -> None:
    """On Linux, so that a killed test run leaves no process behind; called in the new process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Node:
    """A broker in a folder of its own. A context: up inside, gone after it. `settings` is a form as `SETTINGS`.

    With `tls` it has two listeners more, and an `authority` whose certificates it trusts; openssl must be there.
    """

    def __init__(self, settings: str = SETTINGS, *, tls: bool = False, learning: Path | None = None) -> None:
        """`learning`: write an archive of the classes in use to this file, when `stop` ends the node."""
        self.address = ""
        self._java, self._jars = java(), jars()
        known_classes = None if learning else classes(self._java, self._jars)
        self._classes = [f"-XX:ArchiveClassesAtExit={learning}"] if learning else []
        self._classes += [f"-XX:SharedArchiveFile={known_classes}"] if known_classes else []
        self._folder = tempfile.TemporaryDirectory(prefix="csstream-kafka-")
        self._process: subprocess.Popen[bytes] | None = None
        self.authority = Authority(Path(self._folder.name, "tls")) if tls else None
        self.tls_address = self.sasl_tls_address = ""
        port, controller = free_ports()
        self.address = f"127.0.0.1:{port}"
        sasl, _ = free_ports()
        self.sasl_address = f"127.0.0.1:{sasl}"
        self._settings = Path(self._folder.name, "server.properties")
        self._told = Path(self._folder.name, "node.log")
        data = Path(self._folder.name, "data")
        given: dict[str, object] = {"port": port, "sasl": sasl, "controller": controller, "data": data}
        known = {"plain": PLAIN, "scram": SCRAM, "user": USER, "password": PASSWORD}
        if self.authority is not None:
            self.authority.signed("node")
            plain_tls, sasl_tls = free_ports()
            self.tls_address, self.sasl_tls_address = f"127.0.0.1:{plain_tls}", f"127.0.0.1:{sasl_tls}"
            given |= {"tls": plain_tls, "sasl_tls": sasl_tls, "folder": self.authority.folder}
            settings += WITH_TLS
        self._settings.write_text(settings.format(**given, **known), "utf-8")

    def _command(self, main: str, *args: str) -> list[str]:
        return [
            self._java, "-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            *self._classes, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self._jars}/*", main, *args,
        ]  # fmt: skip

    def start(self) -> None:
        """Format the folder, start, and wait until the node answers. Raises RuntimeError with what it said."""
        with self._told.open("ab") as told:
            format_folder = ["format", "-t", CLUSTER, "-c", str(self._settings)]
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                format_folder += ["--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]"]
            tool = self._command("kafka.tools.StorageTool", *format_folder)
            if subprocess.run(tool, stdout=told, stderr=told, timeout=UP_S).returncode != 0:
                raise RuntimeError(self._failure())
        self.go_on()

    def go_on(self) -> None:
        """Start on what is in the folder, and wait until the node answers; nothing where it runs."""
        if self._process is not None:
            return
        with self._told.open("ab") as told:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._settings)),
                stdout=told,
                stderr=told,
                stdin=subprocess.DEVNULL,
                preexec_fn=end_with_maker,  # noqa: PLW1509 - it takes no lock, so threads cannot hold one
            )
        host, _, port = self.address.partition(":")
        end = time.monotonic() + UP_S
        while self._process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(self._failure())

    def _failure(self) -> str:
        tail = self._told.read_text("utf-8", "replace")[-4000:]
        return f"Kafka did not come up on {self.address}; it said last:\n{tail}"

    def kill(self) -> None:
        """End the node at once, as a power cut would; `go_on` starts it again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let the node end in order."""
        assert self._process is not None, "the node is not started"
        self._process.terminate()
        self._process.wait(UP_S)
        self._process = None

    def wait(self) -> None:
        """Wait until the node ends by itself."""
        assert self._process is not None, "the node is not started"
        self._process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._folder.cleanup()


def main() -> int:
    """Run a node until Ctrl-C; its address is the first line on standard output."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Node() as node:
            print(node.address, flush=True)
            print("Ctrl-C ends it, and removes all that it holds.", file=sys.stderr)
            node.wait()
            return 1
    except NoKafkaError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
