"""A Ray cluster as a backend: connecting to one, or starting one for a run alone. Importing this imports Ray."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._private.node import Node
from ray.job_config import JobConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ganbench.errors import UsageError
from ganbench.interfaces.executor import Failure
from ganbench.runner.executors.forkserver import search_path
from ganbench.runner.executors.ray_worker import Mailbox, check, run_task, warm
from ganbench.runner.executors.task import ClusterBackend, Ended, Heartbeat, Task
from ganbench.store.scratch import delete_abandoned, drop_scratch, make_scratch

# -- connecting and starting clusters ----------------------------------------------------------------------------------

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else every worker makes an environment of its own under `uv run`
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "error")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # which GPUs a cohort sees is said in cell.work


CONNECT_SECONDS = 60.0  # seconds for a cluster to be there
KNOCK = 10.0  # seconds for its head to take a connection, and for the command to wait for that alone
HEAD_START = 3.0  # seconds for a worker to begin; all may be at work for others
MOST_WARM = 64  # workers that are made ready before there is work for them
STORE = 100 * 2**20  # bytes of Ray's object store; results are files and never lie in it
LOOPBACK = "127.0.0.1"  # the only address at which Ray's servers listen on the loopback interface alone
LONGEST = 38  # characters of a temporary folder that leaves room for Ray's sockets below it


class Connection:
    """To a cluster; made by a thread that stays, since Linux ends what Ray has started with the thread that started it.

    Args:
        address: of an existing cluster; empty starts one that ends with this process.
        cpus, gpus: of every shard.
        device: as it was asked for.
    """

    def __init__(self, address: str, cpus: int, gpus: float, device: str) -> None:
        self.key = address, cpus, gpus
        self._warm = device in ("cpu", "auto") and not gpus
        self._scratch = _short_folder()
        self._error: UsageError | None = None
        self._stands, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        atexit.register(self.close)

    def _serve(self) -> None:
        try:
            self._open()
        finally:
            self._stands.set()
        self._over.wait()

    def _open(self) -> None:
        address, cpus, gpus = self.key
        try:
            _init(address, self._scratch)
        except Exception as error:  # Ray raises no class of its own where a process of it does not start
            reason = " ".join(str(error).split())[:300]
            sentence = f"--address {address or 'local'}: no Ray cluster could be reached ({reason})"
            self._error = UsageError(sentence, subject="--address", code="unreachable")
            return
        if self._warm:
            ready = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0, num_returns="streaming")(warm)
            first = ready.remote()
            for _ in range(1, min(MOST_WARM, sum(slots_of(node["Resources"], cpus, gpus) for node in nodes()))):
                ready.remote()
            ray.wait([first], timeout=HEAD_START)

    def go_first(self) -> None:
        """Wait until a worker imports PyTorch, or there is none to be had soon; on GPUs none does before its task.

        What this process imports would be ready long before it is needed; beside it, workers begin two seconds later.
        """
        if self._warm:
            self._stands.wait(KNOCK)

    def wait(self) -> None:
        """Until it stands. Raises UsageError where there is no cluster."""
        self._stands.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Leave the cluster; one of this process's own ends with it."""
        self._stands.wait(CONNECT_SECONDS)
        ray.shutdown()
        self._over.set()
        drop_scratch(Path(self._scratch))
        delete_abandoned(Path(tempfile.gettempdir()))  # the folders of its workers
        atexit.unregister(self.close)


_early: list[Connection] = []


def begun(address: str, cpus: int, gpus: float) -> Connection | None:
    """The connection that was begun early, if there is one."""
    return next((connection for connection in _early if connection.key == (address, cpus, gpus)), None)


def start_early(address: str, cpus: int, gpus: float, device: str) -> None:
    """Begin to connect; ``open_backend`` goes on with it."""
    if not address.startswith("ray://"):
        connection = Connection(address or os.environ.get("RAY_ADDRESS", ""), cpus, gpus, device)
        connection.go_first()
        _early.append(connection)


def _init(address: str, scratch: str) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    if address:
        _knock(address)
        ray.init(address=address, job_config=_Job.here(), **quiet)
        return
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(16))  # else one is kept in the user's home
    with _without_dashboard(), _on_loopback():
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=STORE,
            _temp_dir=os.path.join(scratch, "r"),  # Ray opens it to every user; the folder above it stays closed
            _node_ip_address=LOOPBACK,
            job_config=_Job.here(),
            **quiet,
        )


class _Job(JobConfig):  # type: ignore[misc]
    """Lets workers look for modules where this process does. Ray would put the current folder in front."""

    @classmethod
    def here(cls) -> _Job:
        """With this process's folders; each worker puts one after the other in front of its own."""
        return cls(_py_driver_sys_path=list(reversed(search_path())))

    def _runtime_env_has_working_dir(self) -> bool:
        """Asked by Ray alone, which adds the current folder where this is not so."""
        return True


@contextlib.contextmanager
def _without_dashboard() -> Iterator[None]:
    """Keep Ray from starting the dashboard's process, which it does without a dashboard, too.

    With usage statistics off that process still asks addresses of three clouds whether it runs there (Ray 2.60).
    """
    before = Node.start_api_server
    Node.start_api_server = lambda self, **_: setattr(self, "_webui_url", "")
    try:
        yield
    finally:
        Node.start_api_server = before


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take the loopback address as it is; on Linux it else replaces it by one that other machines reach.

    A server of Ray listens on all interfaces unless its node's address is exactly 127.0.0.1 (Ray 2.60).
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _knock(address: str) -> None:
    """Raises OSError or ValueError where nobody listens: Ray itself would try for minutes, and end the process."""
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()
    elif address != "auto":
        raise ValueError("wanted auto, or HOST:PORT of its head")


def _short_folder() -> str:
    """A folder with a short path that only its owner may enter, for the sockets and logs of a cluster of one's own."""
    parent = tempfile.gettempdir()
    return str(make_scratch("gb-", parent if len(parent) < LONGEST else "/tmp"))


def slots_of(resources: Mapping[str, float], cpus: int, gpus: float) -> int:
    """How many shards a machine can run at once."""
    by_cpu = int(resources.get("CPU", 0.0) // cpus)
    if not gpus:
        return by_cpu
    cards = int(resources.get("GPU", 0.0))
    return min(by_cpu, cards * int(1 / gpus) if gpus <= 1 else int(cards // gpus))


def nodes() -> list[dict[str, Any]]:
    """The cluster's machines that are there."""
    return [node for node in ray.nodes() if node["Alive"]]


# -- the cluster as a backend ------------------------------------------------------------------------------------------

GRACE = 12.0  # seconds for what runs to end after its block
HEARTBEAT_SECONDS = 60.0  # seconds for a machine to say that it is well


@contextlib.contextmanager
def open_backend(address: str, results: Path, cpus: int, gpus: float, device: str) -> Iterator[ClusterBackend]:
    """The engine of a cluster.

    Args:
        address: of an existing one; empty takes RAY_ADDRESS, or starts one that ends with this run.
        results: the results folder on this machine.
        cpus, gpus: of every shard.
        device: where cohorts run.

    Raises:
        UsageError: there is no cluster there, or a machine of it cannot run ganbench.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address.startswith("ray://"):
        raise UsageError(f"--address {address}: run this command on a machine of the cluster, with --address auto")
    ended_by = signal.getsignal(signal.SIGTERM)
    connection = begun(address, cpus, gpus) or Connection(address, cpus, gpus, device)
    try:
        connection.wait()
        signal.signal(signal.SIGTERM, ended_by)  # Ray takes it for itself, and aborts
        yield RayCluster(results, cpus, gpus)
    finally:
        connection.close()


class RayCluster(ClusterBackend):
    """Tasks on a cluster that this process is connected to.

    Args:
        results: the results folder on this machine.
        cpus, gpus: of every shard.
    """

    def __init__(self, results: Path, cpus: int, gpus: float) -> None:
        self._cpus, self._gpus = cpus, gpus
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        board = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Mailbox)
        self._board: Any = board.options(scheduling_strategy=here).remote(str(results))
        resources = {"num_cpus": cpus, "num_gpus": gpus}
        self._run = ray.remote(max_retries=0, max_calls=1 if gpus else 0, **resources)(run_task)
        self._sharing: bool | None = None
        self._numbers: dict[Hashable, int] = {}
        self._heard: set[int] = set()  # tasks that have begun

    def slots(self) -> int:
        """As many as its machines have cores and GPUs for."""
        return sum(slots_of(node["Resources"], self._cpus, self._gpus) for node in nodes())

    def shares(self, mark: Path) -> bool:
        """Asks every machine once; one that cannot run ganbench ends the run before it begins. Raises UsageError."""
        if self._sharing is None:
            self._sharing = all(_check(node, mark) for node in nodes())
        return self._sharing

    def submit(self, task: Task) -> Hashable:
        """See ``ClusterBackend``."""
        job: Hashable = self._run.remote(task, self._board)
        self._numbers[job] = task.number
        return job

    def ended(self, jobs: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """See ``ClusterBackend``."""
        if not jobs:
            time.sleep(seconds)
            return []
        done, _ = ray.wait(list(jobs), num_returns=1, timeout=seconds)
        return list(done)

    def result(self, job: Hashable) -> Ended:
        """See ``ClusterBackend``. A worker that was killed or whose machine is gone is ``WorkerDied``."""
        self._numbers.pop(job)
        try:
            found: Ended = ray.get(job)
        except ray.exceptions.RayTaskError as error:
            return Failure.of(error.cause if isinstance(error.cause, Exception) else error)
        except ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())[:300]
            return Failure("WorkerDied", f"its worker is gone ({type(error).__name__}: {reason})", str(error))
        return found

    def news(self) -> list[Heartbeat]:
        """See ``ClusterBackend``."""
        try:
            found: list[Heartbeat] = ray.get(self._board.news.remote())
        except ray.exceptions.RayError:  # the board is being started again
            return []
        self._heard |= {news.number for news in found}
        return found

    def stop(self, jobs: Sequence[Hashable]) -> None:
        """See ``ClusterBackend``. What does not end by then, or has not begun, ends with the connection.

        Nothing is cancelled: that ends this process where a task ends by itself at the same moment (Ray 2.60).
        """
        at_work = [job for job in jobs if self._numbers[job] in self._heard]
        if at_work:
            with contextlib.suppress(ray.exceptions.RayError):  # the cluster is gone, and with it whatever ran there
                ray.get(self._board.stop.remote(), timeout=GRACE)
                ray.wait(at_work, num_returns=len(at_work), timeout=GRACE)


def _check(node: dict[str, Any], mark: Path) -> bool:
    """Whether a machine sees the results folder. Raises UsageError where it cannot run this ganbench."""
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0)(check).options(scheduling_strategy=there).remote(str(mark))
    address = node["NodeManagerAddress"]
    try:
        name, versions, sees = ray.get(asked, timeout=HEARTBEAT_SECONDS)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1][:300]
        raise UsageError(f"the machine {address} of the cluster cannot run ganbench ({reason})") from error
    ours = check(str(mark))[1]
    other = [f"{what} {there} (here {ours[what]})" for what, there in versions.items() if there != ours[what]]
    if other:
        raise UsageError(f"the machine {name} of the cluster has {', '.join(other)}: install the same there")
    return bool(sees)
