"""The command line as a user meets it: in and out, exit codes, nothing written where nothing should be."""

import json

import pytest
from agreement import same, tables

import ganbench

SMALL = ["--datasets", "ring", "--steps", "20", "--evaluate-every", "10", "--n-samples", "200", "--batch-size", "16"]


@pytest.mark.parametrize(
    "more", [pytest.param(["--no-probe"], marks=pytest.mark.slow), pytest.param([], marks=pytest.mark.soak)]
)
def test_run_trains_once_grows_and_gives_the_same_numbers_anywhere(call, tmp_path, more):
    args = ["run", "--objectives", "gan,wgan", "--seeds", "3", *SMALL, *more]
    code, out, _ = call(*args, "--out", "a")
    assert code == 0
    assert "gan" in out
    assert "completed" in out
    results = ganbench.load("a")
    assert len(results.trials) == 6
    assert set(results.trials["status"]) == {"completed"}
    assert len(results.steps) == 6 * 20
    assert set(results.evaluations["step"]) == {0, 10, 20}
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*") if p.is_file()}

    code, _, err = call(*args, "--out", "a")  # again: nothing is trained, nothing is touched
    assert code == 0
    assert "6 of 6 trials are already there" in err
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*") if p.is_file()} == files

    code, _, err = call("run", "--objectives", "gan,wgan,nsgan", "--seeds", "3", *SMALL, *more, "--out", "a")
    assert code == 0
    assert "6 of 9" in err
    assert len(ganbench.load("a").trials) == 9

    call(*args, "--out", "b", "--jobs", "1")  # elsewhere, with other shards and threads: the same to the bit
    same(tables("a", ["gan", "wgan"]), tables("b"))


@pytest.mark.slow
def test_an_objective_that_raises_is_a_failed_trial_and_the_others_run_on(call, tmp_path, monkeypatch):
    """A stranger's distribution, found through the entry points of a folder on the path, as an installed one is."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    package = tmp_path / "site" / "faulty-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[ganbench]\nfaulty = faulty\n")
    (tmp_path / "site" / "faulty.py").write_text(
        "from dataclasses import dataclass\nfrom ganbench import Objective, hookimpl\n"
        "@dataclass(frozen=True)\nclass Faulty(Objective):\n    'Raises.'\n    name = 'faulty'\n"
        "    def critic_loss(self, critic, real, fake, draw):\n        raise ArithmeticError('by design')\n"
        "@hookimpl\ndef ganbench_objectives():\n    return [Faulty]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    code, _, err = call("run", "--objectives", "faulty,gan", "--seeds", "2", *SMALL, "--out", "a")
    assert code == 1, err
    assert "faulty seed 0: ArithmeticError: by design" in err
    trials = ganbench.load("a").trials.set_index(["objective", "seed"])
    assert trials.loc["gan", "status"].tolist() == ["completed", "completed"]
    assert trials.loc["faulty", "status"].tolist() == ["failed", "failed"]
    assert "by design" in trials.loc[("faulty", 0), "error"]
    call("run", "--objectives", "faulty,gan", "--seeds", "2", *SMALL, "--out", "a")
    again = ganbench.load("a").trials.set_index(["objective", "seed"])
    assert again["attempts"].to_dict() == {("gan", 0): 1, ("gan", 1): 1, ("faulty", 0): 2, ("faulty", 1): 2}


def test_plan_lists_the_trials_and_writes_nothing(call, tmp_path):
    code, out, _ = call("run", "--plan", "--objectives", "gan,wgan", "--seeds", "2", *SMALL)
    assert code == 0
    assert "4 of 4 trials would run on cpu, into results/ring-mlp" in out
    assert out.count("to run") == 4
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--objectives", "wagn"], "--objectives: unknown objective 'wagn'; did you mean 'wgan'?"),
        (["--datasets", "digts"], "--datasets: unknown dataset 'digts'; did you mean 'digits'?"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--seeds", "5,5"], "--seeds names seed 5 twice"),
        (["--set", "wgan.clip=abc"], "--set: wgan.clip='abc'"),
        (["--set", "wgan.clpi=1"], "did you mean 'clip'?"),
        (["--set", "wgan.lr=0.001"], "unknown setting of wgan 'lr'; did you mean 'wgan.optimizer.lr'?"),
        (["--set", "wgan.optimzer.lr=0.001"], "did you mean 'optimizer.lr'?"),
        (["--set", "gan.optimizer=sgd"], "set one of gan.optimizer.name, gan.optimizer.lr"),
        (["--device", "gpu"], "did you mean 'cuda'?"),
        (["--device", "GPU:1"], "did you mean 'cuda:1'?"),
        (["--device", "metal"], "did you mean 'mps'?"),
        (["--device", "cuda:99"], "--device is cuda:99"),
        (["--compile", "always"], "--compile: unknown value 'always'; known: auto, off, on"),
        (["--precision", "fp16"], "--precision: unknown value 'fp16'; did you mean 'bf16'?"),
        (["--precision", "tf32", "--device", "cpu"], "--precision tf32 is of NVIDIA's GPUs, and this study would run"),
        (["--steps", "0"], "--steps is 0"),
        (["--steps", "many"], "--steps"),
        (["--stepz", "3"], "--stepz"),
        (["--out", "file"], "--out: "),
        (["--out", "file/below"], "--out: "),
        (["missing.toml"], "missing.toml"),
        (["bad.toml"], "bad.toml:2: unknown key 'stepz'; did you mean 'steps'?"),
        (["--batch-size", "1"], "--batch-size is 1"),
    ],
)
def test_bad_input_is_one_sentence_with_exit_code_2_and_nothing_written(call, tmp_path, args, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.toml").write_text("seeds = 2\nstepz = 3\n")
    before = sorted(tmp_path.iterdir())
    code, out, err = call("run", *args)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(
    not hasattr(__import__("os"), "geteuid") or __import__("os").geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_to_is_refused(call, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = call("run", "--out", "locked/results")
    assert code == 2
    assert "cannot be written to" in err


@pytest.mark.parametrize("what", ["objectives", "datasets", "architectures", "metrics"])
def test_list_shows_every_kind_as_text_and_as_json(call, what):
    code, out, _ = call("list", what, "--json")
    rows = json.loads(out)
    assert code == 0
    assert all(row["name"] and row["summary"] and row["distribution"] == "ganbench" for row in rows)
    code, out, _ = call("list", what)
    assert code == 0
    assert all(row["name"] in out for row in rows)


def test_list_without_a_kind_names_everything(call):
    code, out, _ = call("list", "--json")
    kinds = json.loads(out)
    assert (code, set(kinds)) == (0, {"objectives", "datasets", "architectures", "metrics", "executors", "claims"})
    code, out, _ = call("list")  # from the cache
    assert code == 0
    assert all(row["name"] in out for kind, rows in kinds.items() if kind != "claims" for row in rows)
    (row,) = [row for row in kinds["objectives"] if row["name"] == "wgan"]
    assert "optimizer.lr=5e-05" in row["settings"]  # as --set takes it
    assert call("list", "objectives", "--json")[1] == json.dumps(kinds["objectives"], indent=1) + "\n"


def test_data_list_says_what_has_to_be_downloaded(call):
    code, out, err = call("data", "list", "--json")
    rows = {row["name"]: row["download"] for row in json.loads(out)}
    assert (code, rows["mnist"], rows["ring"]) == (0, "ganbench data fetch mnist", "–")
    assert "--data-root" in err


def test_list_suggests_the_nearest_kind(call):
    code, _, err = call("list", "objectivs")
    assert code == 2
    assert "did you mean 'objectives'?" in err


def test_plugins_shows_where_things_come_from(call):
    code, out, _ = call("plugins", "--json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)} >= {"builtin", "objectives"}
    assert call("plugins")[0] == 0


def test_help_and_version(call):
    code, out, _ = call("--help")
    assert code == 0
    assert "130 interrupted" in " ".join(out.split())
    assert call("--version")[1].strip() == f"ganbench {ganbench.__version__}"
