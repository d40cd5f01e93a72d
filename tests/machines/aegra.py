"""Two processes of Aegra as README starts them: this repository's langgraph.json on one PostgreSQL and one Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.commands import own_environ, wait_until
from tests.ports import free_port
from tests.system import required

REPOSITORY = Path(__file__).parents[2]
KEY = "the-key-of-the-operator"
_STARTING_SECONDS = 120
# What is lost is found sooner than by default (30, 10 and 15 s).
_QUICK = {"LEASE_DURATION_SECONDS": "6", "HEARTBEAT_INTERVAL_SECONDS": "2", "REAPER_INTERVAL_SECONDS": "2"}


@dataclass
class Worker:
    """A process of Aegra."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """Kill it and what it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def is_ready(self) -> bool:
        """Whether it takes runs."""
        try:
            return httpx.get(f"{self.url}/ready", timeout=5).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a Redis server that keeps nothing; give its URL."""
    program, port = required("redis-server", "redis-server"), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("w") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.kill()
        process.wait()


@contextmanager
def workers(folder: Path, *, database: str, own_database: str, models: str) -> Iterator[list[Worker]]:
    """Start two workers, one after the other: the first makes the tables. `own_database` is for this package's routes."""
    for name in ("langgraph.json", "fusion_graph"):
        (folder / name).symlink_to(REPOSITORY / name)
    with ExitStack() as stack:
        told = {
            "DATABASE_URL": database,
            "REDIS_BROKER_ENABLED": "true",
            "REDIS_URL": stack.enter_context(redis_server(folder)),
            "AEGRA_CHECKPOINT_DURABILITY": "sync",
            "FUSION_DB": own_database,
            "FUSION_API_KEYS": KEY,
            "OPENAI_API_KEY": "of-the-operator",
            "LANGSMITH_TRACING": "false",
        }
        environ = own_environ(folder, models) | told | _QUICK
        yield [stack.enter_context(_worker(folder, environ, number)) for number in (1, 2)]


@contextmanager
def _worker(folder: Path, environ: Mapping[str, str], number: int) -> Iterator[Worker]:
    port, log = free_port(), folder / f"worker-{number}.log"
    program = Path(sys.executable).parent / "aegra"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "serve", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=dict(environ),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    worker = Worker(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until(lambda: worker.is_ready or process.poll() is not None, within=_STARTING_SECONDS)
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        yield worker
    finally:
        if process.poll() is None:
            worker.kill()
