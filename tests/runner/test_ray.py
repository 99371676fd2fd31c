"""A real Ray cluster on the loopback address: the same tables, whatever is killed."""

import contextlib
import os
import re
import signal
import stat
from datetime import datetime, timedelta

import psutil
import pytest
from agreement import same, tables
from clusters import (
    Conversations,
    Processes,
    RayNodes,
    ancestors,
    at_work,
    attempts,
    begin,
    descendants,
    done,
    kill_tree,
    plugin,
    until,
)
from refusals import refused
from wording import ELSEWHERE, INTERRUPTED, RESUMED

import ganbench
from ganbench.errors import UsageError
from ganbench.store.verify import inspect

pytest.importorskip("ray", reason='Ray is not installed: pip install "ganbench[cluster]"')

TWELVE = "gan,nsgan,noisegan,wgan,wgan-gp,lsgan,hinge,nsgan-r1,rpgan,ragan,dragan,lecam"
SHORT = ["--steps", "70", "--evaluate-every", "35"]
LONG = ["--objectives", "gan,wgan", "--steps", "330", "--evaluate-every", "165", "--no-probe"]
LOOPBACK = {"localhost", "::1", "None"}
NOT_TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Third parties' plugins, on the path of every node."""
    folder = tmp_path_factory.mktemp("site")
    plugin(folder, "crashes", "if int(draw.step) == 100: __import__('ctypes').string_at(0)")
    plugin(folder, "sees", "raise ValueError('sees ' + repr(os.environ['CUDA_VISIBLE_DEVICES']))")
    (folder / "sitecustomize.py").write_text(ASKED.format(log=str(folder / "asked.txt")))
    return folder


# In every Python process of the cluster and its drivers: each address that it connects with, sends to or looks up. Not
# in the dashboard of a cluster that others have started, which is theirs.
ASKED = """
import os, sys
def note(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        address = args[0] if event == "socket.getaddrinfo" else args[1]
        if "dashboard.py" not in sys.argv[0] or "OWN_CLUSTER" in os.environ:
            with open({log!r}, "a") as log:
                log.write(f"{{event}} {{address if isinstance(address, (str, bytes)) else address[0]}}\\n")
sys.addaudithook(note)
"""


def asked(site):
    """The addresses of the network that have been asked for since the last time."""
    file = site / "asked.txt"
    addresses = {line.partition(" ")[2] for line in file.read_text().splitlines()} if file.exists() else set()
    file.unlink(missing_ok=True)
    return {address for address in addresses if not address.startswith("/")}


@pytest.fixture(scope="module")
def nodes(site):
    """A head with some cores and one GPU, which is only a number to Ray."""
    cluster = RayNodes()
    try:
        cluster.start("--num-cpus=3", "--num-gpus=1", head=True, site=site)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def run(nodes, tmp_path, site):
    """Starts a run on the cluster, or on this machine."""
    processes = Processes()

    def start(*args, cluster=True, **options):
        where = ["--executor", "ray", "--address", nodes.address] if cluster else []
        return begin(processes, tmp_path, *where, *args, site=site, **{**nodes.settings, **options})

    yield start
    processes.end()


@pytest.fixture
def alone(tmp_path, site):
    """Starts a run on a cluster of its own, without the one of the other tests."""
    processes = Processes()
    yield lambda *args, **options: begin(processes, tmp_path, "--executor", "ray", *args, site=site, **options)
    processes.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, site):
    """What LONG gives on this machine."""
    processes, folder = Processes(), tmp_path_factory.mktemp("local")
    try:
        code, out = done(begin(processes, folder, *LONG, site=site))
    finally:
        processes.end()
    assert code == 0, out
    return tables(folder / "a")


@pytest.mark.soak
def test_two_nodes_give_the_tables_of_one_machine_and_talk_to_nobody_else(nodes, run, tmp_path, site):
    asked(site)
    second = nodes.start("--num-cpus=1", site=site)
    try:
        driver = run("--objectives", TWELVE, *SHORT, "--cpus-per-cohort", "1")
        with Conversations([driver, *nodes.processes.all]) as partners:
            code, out = done(driver)
    finally:
        kill_tree(second)
    looked_up, seen = asked(site), {address.removeprefix("::ffff:") for address in partners.addresses}
    assert "127.0.0.2" in looked_up & seen  # which both ways of looking see
    assert {address for address in looked_up | seen if not address.startswith("127.")} <= LOOPBACK
    assert code == 0, out
    assert NOT_TRACEBACK not in out
    assert done(run("--objectives", TWELVE, *SHORT, cluster=False, out="b"))[0] == 0
    same(tables(tmp_path / "a"), tables(tmp_path / "b"))
    assert attempts(tmp_path / "a") == dict.fromkeys(TWELVE.split(","), 1)
    assert inspect(tmp_path / "a") == []


def temporary_folder(run):
    """Where the cluster of a run keeps its sockets, by the commands of its processes; None while it is not there."""
    for process in descendants(run.pid):
        with contextlib.suppress(psutil.Error):
            if found := re.search(r"(/[^=:\s]*/gb-[^/\s]+)/r/", " ".join(process.cmdline())):
                return found[1]
    return None


@pytest.mark.slow
def test_a_cluster_of_ones_own_is_closed_to_other_machines_and_users(alone, site):
    """It contacts no other address (Ray's dashboard would), listens on loopback alone, in a folder of this user."""
    asked(site)
    own = alone("--objectives", "gan", *SHORT, "--no-probe", OWN_CLUSTER="1")
    with Conversations([own]) as partners:
        folder = until(lambda: temporary_folder(own))
        closed = stat.S_IMODE(os.stat(folder).st_mode) & 0o077 == 0
        code, out = done(own)
    assert code == 0, out
    assert closed
    assert not os.path.exists(folder)
    seen = {address.removeprefix("::ffff:") for address in partners.addresses}
    assert "127.0.0.1" in seen
    assert {address for address in asked(site) | seen if not address.startswith("127.")} <= LOOPBACK
    assert {address.removeprefix("::ffff:") for address in partners.listening} <= {"127.0.0.1", "::1"}


@pytest.mark.slow
def test_a_cluster_that_does_not_start_is_one_sentence(monkeypatch):
    from ganbench.runner.executors import ray_cluster

    def fail(**_):
        raise Exception("TIMEOUT")

    monkeypatch.setattr(ray_cluster.ray, "init", fail)
    connection = ray_cluster.Connection("", 1, 0.0, "cuda")
    with refused(UsageError, subject="--address", code="unreachable") as caught:
        connection.wait()
    assert "TIMEOUT" in str(caught.value)
    connection.close()


@pytest.mark.parametrize(
    "victim", [pytest.param("trainer", marks=pytest.mark.soak), pytest.param("watcher", marks=pytest.mark.soak)]
)
def test_a_worker_that_is_killed_loses_nothing(run, tmp_path, undisturbed, victim):
    """The process that trains, as a machine without memory kills it, or Ray's own above it."""
    process = run(*LONG)
    trainer = until(lambda: at_work(tmp_path / "a", "gan"))
    watcher = next(p for p in trainer.parents() if p.name().startswith("ray::"))
    os.kill((trainer if victim == "trainer" else watcher).pid, signal.SIGKILL)
    code, out = done(process)
    assert code == 0, out
    assert ELSEWHERE in out
    assert "crash 1 of 3" in out
    assert RESUMED in out
    assert attempts(tmp_path / "a") == {"gan": 2, "wgan": 1}
    same(tables(tmp_path / "a"), undisturbed)


@pytest.mark.soak
def test_a_node_that_is_killed_loses_nothing(nodes, run, tmp_path, undisturbed):
    second = nodes.start("--num-cpus=1", "--num-gpus=1")
    process = run(*LONG, "--gpus-per-cohort", "1")  # so that each node gets one cohort

    def there():
        trainers = {name: at_work(tmp_path / "a", name) for name in ("gan", "wgan")}
        return [n for n, t in trainers.items() if t and second.pid in ancestors(t)]

    (victim,) = until(there)
    kill_tree(second)
    code, out = done(process)
    assert code == 0, out
    assert ELSEWHERE in out
    assert attempts(tmp_path / "a") == {"gan": 1, "wgan": 1, victim: 2}
    same(tables(tmp_path / "a"), undisturbed)


@pytest.mark.soak
def test_a_driver_that_is_killed_loses_nothing(run, tmp_path, undisturbed):
    process = run(*LONG)
    trainer = until(lambda: at_work(tmp_path / "a", "gan"))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs([trainer], timeout=60)
    assert not trainer.is_running()
    code, out = done(run(*LONG))
    assert code == 0, out
    assert any("gan:" in line and RESUMED in line for line in out.splitlines())
    assert set(attempts(tmp_path / "a").values()) <= {1, 2}  # 1 where it had the time to note that it only pauses
    same(tables(tmp_path / "a"), undisturbed)


@pytest.mark.soak
def test_an_interrupt_leaves_checkpoints_and_the_same_command_goes_on(run, tmp_path, undisturbed):
    process = run(*LONG)
    until(lambda: at_work(tmp_path / "a", "gan"))
    os.kill(process.pid, signal.SIGTERM)
    code, out = done(process)
    assert code == 130, out
    assert INTERRUPTED in out
    assert NOT_TRACEBACK not in out
    code, out = done(run(*LONG))
    assert code == 0, out
    assert set(attempts(tmp_path / "a").values()) <= {1, 2}  # 2 where a block took longer than it was given
    same(tables(tmp_path / "a"), undisturbed)


@pytest.mark.soak
def test_a_cohort_that_dies_again_and_again_becomes_failed_rows_and_the_rest_goes_on(run, tmp_path, undisturbed):
    process = run(*LONG, "--objectives", "gan,wgan,crashes")
    code, out = done(process)
    assert code == 1, out
    rows = ganbench.load(tmp_path / "a").trials.set_index("objective").loc["crashes"]
    assert rows["status"].tolist() == ["failed"] * 2
    assert all("SIGSEGV" in error for error in rows["error"])
    assert attempts(tmp_path / "a") == {"gan": 1, "wgan": 1, "crashes": 3}
    same(tables(tmp_path / "a", ["gan", "wgan"]), undisturbed)


@pytest.mark.soak
def test_two_halves_of_a_gpu_run_side_by_side_and_a_third_waits(run, tmp_path):
    args = ["--objectives", "gan,wgan,nsgan", "--steps", "600", "--evaluate-every", "300", "--no-probe"]
    code, out = done(run(*args, "--gpus-per-cohort", "0.5"))
    assert code == 0, out
    spans = []
    for name in ("gan", "wgan", "nsgan"):
        (record, _) = [
            ganbench.store.folder.read_run(f) for f in sorted((tmp_path / "a" / "trials").glob(f"{name}-s*"))
        ]
        end = datetime.fromisoformat(record["finished"])
        spans.append((end - timedelta(seconds=record["wall_seconds"]), end))
    spans.sort()
    (_, first), (second, also), (third, _) = spans
    assert second < first, "two at a time"
    assert third >= min(first, also), "the third has waited"


@pytest.mark.soak
@pytest.mark.parametrize(("gpus", "seen"), [(["--gpus-per-cohort", "0.5"], "'0'"), ([], "''")])
def test_a_cohort_sees_the_gpus_that_it_was_given_and_no_others(run, tmp_path, gpus, seen):
    code, out = done(run("--objectives", "sees", *SHORT, *gpus, CUDA_VISIBLE_DEVICES="5"))
    assert code == 1, out
    assert f"ValueError: sees {seen}" in ganbench.load(tmp_path / "a").trials["error"][0]


@pytest.mark.soak
def test_a_node_that_does_not_see_the_results_sends_them(run, tmp_path, undisturbed):
    """Nodes know the folder by a mark; without it they take it for another one. A death on the way changes nothing."""
    process = run(*LONG)
    mark = until(lambda: list((tmp_path / "a").glob(".locks/*.here")))[0]
    mark.unlink()
    until(lambda: list((tmp_path / "a").glob("checkpoints/gan-*/checkpoint.json")))
    noted = next((tmp_path / "a").glob(".locks/gan-s0-*.begun"))
    os.kill(int(noted.read_text().split()[-1]), signal.SIGKILL)
    code, out = done(process)
    assert code == 0, out
    assert RESUMED in out
    assert attempts(tmp_path / "a") == {"gan": 2, "wgan": 1}
    same(tables(tmp_path / "a"), undisturbed)
    assert inspect(tmp_path / "a") == []
    assert not list((tmp_path / "a").glob("checkpoints/*"))
