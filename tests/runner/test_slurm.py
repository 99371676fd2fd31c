"""Jobs of a queue, with submitit's own local queue in Slurm's place."""

import os
import signal

import pytest
from agreement import same, tables
from clusters import Processes, at_work, attempts, begin, done, until
from wording import RESUMED

from ganbench.store.verify import inspect

pytest.importorskip("submitit", reason='submitit is not installed: pip install "ganbench[cluster]"')

ARGS = ["--objectives", "gan,wgan", "--steps", "330", "--evaluate-every", "165", "--no-probe"]
QUEUE = ["--executor", "slurm", "--set", "slurm.cluster=local"]


@pytest.fixture(scope="module")
def run():
    processes = Processes()
    yield lambda folder, *args, **options: begin(processes, folder, *ARGS, *args, **options)
    processes.end()


@pytest.fixture(scope="module")
def undisturbed(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    code, out = done(run(folder))
    assert code == 0, out
    return tables(folder / "a")


@pytest.mark.parametrize(
    ("number", "counted"),
    [
        pytest.param(signal.SIGKILL, 2, marks=pytest.mark.soak),
        pytest.param(signal.SIGUSR2, 1, marks=pytest.mark.soak),
    ],
)
def test_a_job_that_is_killed_or_preempted_goes_on_in_the_queue(run, tmp_path, undisturbed, number, counted):
    """Before Slurm takes a machine away it sends a signal; submitit's handler then puts the job back in the queue."""
    process = run(tmp_path, *QUEUE)
    trainer = until(lambda: at_work(tmp_path / "a", "gan"))
    watcher = next(p for p in trainer.parents() if "_submit" in " ".join(p.cmdline()))
    for victim in [trainer, watcher] if number == signal.SIGKILL else [watcher]:
        os.kill(victim.pid, number)
    code, out = done(process)
    assert code == 0, out
    assert RESUMED in out
    found = attempts(tmp_path / "a")
    assert found["wgan"] == 1
    assert found["gan"] in (counted, 2)  # where a block takes longer than a preempted job is given, it has died
    same(tables(tmp_path / "a"), undisturbed)
    assert inspect(tmp_path / "a") == []
    assert not (tmp_path / "a" / ".jobs").exists()


@pytest.mark.soak
def test_an_interrupt_ends_the_jobs_and_the_same_command_goes_on(run, tmp_path, undisturbed):
    process = run(tmp_path, *QUEUE)
    trainer = until(lambda: at_work(tmp_path / "a", "gan"))
    os.kill(process.pid, signal.SIGINT)
    code, out = done(process)
    assert code == 130, out
    assert "Traceback" not in out
    assert not trainer.is_running()
    code, out = done(run(tmp_path, *QUEUE))
    assert code == 0, out
    same(tables(tmp_path / "a"), undisturbed)
    assert set(attempts(tmp_path / "a").values()) <= {1, 2}  # 2 where a block took longer than it was given


@pytest.mark.slow
def test_where_there_is_no_slurm_one_sentence_says_so(run, tmp_path):
    code, out = done(run(tmp_path, "--executor", "slurm", PATH="/nowhere"))
    sentence = "ganbench: --executor slurm: there is no srun here; run this command where you run sbatch\n"
    assert (code, out) == (2, sentence)
    assert not list(tmp_path.iterdir())
