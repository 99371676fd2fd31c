"""The command line as a user meets it: in and out, exit codes, nothing written where nothing should be."""

import json

import pytest
import typer
from agreement import same, tables

import ganbench
from ganbench.cli import app
from ganbench.study.config import OPTIONS, default_in_words

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


RUN_MESSAGES = {
    "--objectives wagn": "--objectives: unknown objective 'wagn'; did you mean 'wgan'?",
    "--objectives gan,gan": "--objectives names 'gan' twice; wanted each name once",
    "--objectives=": "--objectives is empty; wanted at least one name",
    "--datasets digts": "--datasets: unknown dataset 'digts'; did you mean 'digits'?",
    "--seeds 0": "--seeds is 0; wanted at least 1 seed (5 means seeds 0 to 4)",
    "--seeds 5,5": "--seeds names seed 5 twice; wanted each seed once, as every seed is one replication",
    "--seeds 3-1": "--seeds has the range 3-1, which runs backwards; wanted 1-3",
    "--seeds x": "--seeds is 'x'; wanted a number of seeds (5), a list (3,7) or a range (10-19)",
    "--seeds 0-20000": "--seeds asks for 20001 seeds; wanted at most 10000",
    "--set wgan": "--set is 'wgan'; wanted name.setting=value[,value], such as wgan.clip=0.01,0.1",
    "--set wgan.n_critic=0": "--set: wgan={'n_critic': '0'}: n_critic is 0; it must be at least 1",
    "--set wgan.clpi=1": "--set: unknown setting of wgan 'clpi'; did you mean 'clip'?",
    "--set wgan.lr=0.001": "--set: unknown setting of wgan 'lr'; did you mean 'wgan.optimizer.lr'?",
    "--set wgan.optimzer.lr=0.001": "--set: unknown setting of wgan 'optimzer.lr'; did you mean 'optimizer.lr'?",
    "--set gan.optimizer=sgd": "--set: gan.optimizer is not one value; set one of gan.optimizer.name, "
        "gan.optimizer.lr, gan.optimizer.beta1, gan.optimizer.beta2, gan.optimizer.alpha",
    "--device gpu": "--device: unknown device 'gpu'; did you mean 'cuda'?",
    "--device GPU:1": "--device: unknown device 'GPU:1'; did you mean 'cuda:1'?",
    "--device metal": "--device: unknown device 'metal'; did you mean 'mps'?",
    "--device=": "--device is ''; wanted text",
    "--compile always": "--compile: unknown value 'always'; known: auto, off, on",
    "--precision fp16": "--precision: unknown value 'fp16'; did you mean 'bf16'?",
    "--precision=": "--precision is ''; wanted one of float32, tf32, bf16",
    "--precision tf32 --device cpu":
        "--precision tf32 is of NVIDIA's GPUs, and this study would run on cpu; say float32",
    "--steps 0": "--steps is 0; wanted a whole number of at least 1",
    "--steps 1000000001": "--steps is 1000000001; wanted a whole number of at most 1000000000",
    "--steps 10000000000000000000": "--steps is too large; wanted a whole number of at most 1000000000",
    "--batch-size 1": "--batch-size is 1; wanted a whole number of at least 2",
    "--trial-timeout 0": "--trial-timeout is 0.0; wanted a number of seconds above 0",
    "--gpus-per-cohort 1.5": "--gpus-per-cohort is 1.5; wanted a part of a GPU, such as 0.5, or a whole number of them",
    "--out file": "--out: file is a file; name a folder",
    "--out file/below": "--out: FOLDER/file is a file; name a folder",
    "missing.toml": "missing.toml: there is no such study file",
    "bad.toml": "bad.toml:2: unknown key 'stepz'; did you mean 'steps'?",
    "worse.toml": "worse.toml:1: steps is True; wanted a whole number of at least 1",
}  # fmt: skip
OTHER_MESSAGES = {
    "evaluate r --metrics fdi": "--metrics: unknown metric 'fdi'; did you mean 'fid'?",
    "evaluate r --metrics ,": "--metrics is empty; name at least one, such as kid,coverage",
    "evaluate r --metrics fid --n-samples 1": "--n-samples is 1; wanted a whole number of at least 2",
    "evaluate r --metrics fid --set x": "--set is 'x'; wanted name.setting=value[,value], such as wgan.clip=0.01,0.1",
    "evaluate r --metrics fid": "r is not a results folder: it has no study.json",
    "report r": "r is not a results folder: it has no study.json",
    "report r --out file": "--out: file is a file; name a folder",
    "report r --data-root=": "--data-root is ''; wanted text",
    "reproduce --profile fulll": "--profile: unknown profile 'fulll'; did you mean 'full'?",
    "reproduce --claims=,": "--claims is empty; name at least one, or leave it out for all",
    "reproduce --seeds 0": "--seeds is 0; wanted at least 1 seed (5 means seeds 0 to 4)",
    "reproduce --jobs 0": "--jobs is 0; wanted a whole number of at least 1",
    "reproduce --device cuda": "--device is cuda, but PyTorch sees 0 CUDA devices here; use cpu or auto",
    "compare a b": "a is not a results folder: it has no study.json",
    "compare a b --fail-on wors": "--fail-on: unknown verdict to fail on 'wors'; did you mean 'worse'?",
    "export a --format xls": "--format: unknown format 'xls'; known: csv, json, latex, md",
    "verify a": "a is not a results folder: it has neither study.json nor trials",
    "rerun file": "FOLDER/file holds no finished trial; name a folder RESULTS/trials/TRIAL that has a run.json",
    "list objectivs": "ganbench list: unknown kind of thing 'objectivs'; did you mean 'objectives'?",
    "data fetch mnits": "data fetch: unknown dataset 'mnits'; did you mean 'mnist'?",
    "plugin check wgan --plot dirac.txt": "--plot is dirac.txt; wanted a file that ends with .png, .svg, .pdf",
}


@pytest.mark.parametrize(
    ("command", "message"), [*((f"run {words}", text) for words, text in RUN_MESSAGES.items()), *OTHER_MESSAGES.items()]
)
def test_bad_input_is_one_sentence_with_exit_code_2_and_nothing_written(call, tmp_path, command, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "bad.toml").write_text("seeds = 2\nstepz = 3\n")
    (tmp_path / "worse.toml").write_text("steps = true\n")
    (tmp_path / "cache").mkdir()  # of matplotlib, for one
    before = sorted(tmp_path.iterdir())
    code, out, err = call(*command.split())
    assert (code, out, err) == (2, "", f"ganbench: {message.replace('FOLDER', str(tmp_path))}\n")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [["--steps", "many"], ["--stepz", "3"], ["--device", "cuda:99"], ["--steps"]])
def test_what_typer_or_the_machine_refuses_names_the_option_too(call, words):
    code, out, err = call("run", *words)
    assert (code, out) == (2, "")
    assert words[0] in err
    assert "Traceback" not in err


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


def helps(*words):
    """Help of a command's options, by their names."""
    command = typer.main.get_command(app.app)
    for word in words:
        command = command.commands[word]
    return {param.opts[0]: param.help for param in command.params}


def test_run_has_every_option_of_a_study_and_shows_its_default():
    shown = helps("run")
    for name, option in OPTIONS.items():
        default = default_in_words(name)
        assert shown[f"--{option.name}"].startswith(option.help.rstrip("."))
        assert shown[f"--{option.name}"].endswith(f" [default: {default}]." if default else option.help)
    assert shown.keys() - {f"--{option.name}" for option in OPTIONS.values()} == {"study_file", "--quick", "--plan"}


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("report", ["data-root"]),
        ("rerun", ["data-root", "plugin"]),
        ("evaluate", ["data-root", "plugin"]),
        ("data fetch", ["data-root"]),
        ("list", ["plugin"]),
        ("plugins", ["plugin"]),
        ("reproduce", ["jobs", "executor", "address", "cpus-per-cohort", "trial-timeout"]),
    ],
)
def test_an_option_means_the_same_in_every_command(command, names):
    shown, of_run = helps(*command.split()), helps("run")
    assert [shown[f"--{name}"] for name in names] == [of_run[f"--{name}"] for name in names]
