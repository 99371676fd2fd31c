"""Plugins in one file: what is read, what is refused, and how a study remembers where an objective came from."""

import json
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from refusals import refused

import ganbench
from ganbench.errors import PluginError, UsageError
from ganbench.plugins.fingerprint import former_hashes, is_made_by, source_hash
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.registry import load_plugins

MINE = """
    from dataclasses import dataclass
    import torch
    from ganbench import Objective, hookimpl

    def shrunk(scores):
        return 0.5 * scores.mean()

    @dataclass(frozen=True)
    class Mine(Objective):
        "A test double."
        name = "mine"
        weight: "float" = 1.0

        def critic_loss(self, critic, real, fake, draw):
            return shrunk(critic(fake)) - shrunk(critic(real))

        def generator_loss(self, critic, real, fake, draw):
            return -self.weight * shrunk(critic(fake))

        def constrain(self, weights):
            return {name: w.clamp(-0.1, 0.1) for name, w in weights.items()}

    @hookimpl
    def ganbench_objectives():
        return [Mine]
"""
SMALL = ["--datasets", "ring", "--steps", "12", "--evaluate-every", "6", "--n-samples", "100", "--batch-size", "16"]


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(MINE))
    return path


def load(*paths):
    return load_plugins([], files=read_plugin_files(paths))


def test_a_file_offers_what_an_installed_plugin_would(mine):
    registry = load(mine)
    assert registry.objectives.find("mine") is registry.objectives.find("mine.py:mine")
    (plugin,) = registry.plugins
    assert (plugin.name, plugin.distribution, plugin.state, plugin.file) == ("mine", "mine.py", "loaded", str(mine))
    assert plugin.hooks == ("ganbench_objectives",)


def test_an_edit_anywhere_in_the_file_is_another_objective(mine):
    before = load(mine).objectives.find("mine")
    assert source_hash(before) == source_hash(load(mine).objectives.find("mine"))
    mine.write_text(mine.read_text().replace("0.5 * scores", "0.7 * scores"))  # not in the class
    after = load(mine).objectives.find("mine")
    assert source_hash(after) != source_hash(before)
    assert not is_made_by(after, source_hash(before))


def test_comments_in_a_file_and_its_search_space_change_no_address(mine):
    before = load(mine).objectives.find("mine")
    (text,) = former_hashes(before)
    imported = "from ganbench import Optimizer as Range\n# of the paper\n"
    mine.write_text(imported + mine.read_text().replace("    name = ", "    search_space = {}\n    name = "))
    after = load(mine).objectives.find("mine")
    assert source_hash(after) == source_hash(before)
    assert former_hashes(after) != (text,)  # another text, so that trials of earlier versions are others'


def test_what_was_read_stays_whatever_becomes_of_the_file(mine):
    (file,) = read_plugin_files([mine])
    mine.unlink()
    sys.modules.pop(file.module_name, None)  # as in another process
    assert load_plugins([], files=[file]).objectives.names() == ["mine"]


def test_a_file_named_twice_counts_once(mine):
    assert len(read_plugin_files([mine, "mine.py", mine])) == 1


REFUSED = {
    "broken": ("raise OSError('no licence')", "OSError"),
    "syntax": ("def f(:\n", "SyntaxError"),
    "exits": ("raise SystemExit(0)", "SystemExit"),
    "hookless": ("x = 1", "no-hook"),
    "sibling": ("import nowhere_to_be_found", "ModuleNotFoundError"),
    "unnamed": (
        "from ganbench import hookimpl\n@hookimpl\ndef ganbench_objectives():\n    return [int]",
        "no-subclass",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("command", [["run", "--objectives", "gan"], ["list", "objectives"], ["plugins"]], ids=" ".join)
def test_a_broken_file_is_one_sentence_with_exit_code_2(call, tmp_path, case, command):
    source, code = REFUSED[case]
    file = tmp_path / f"{case}.py"
    file.write_text(source)
    with refused(PluginError, subject=file, code=code) as caught:
        load(file)
    exit_code, out, err = call(*command, "--plugin", f"{case}.py")
    assert (exit_code, out) == (2, "")
    assert str(caught.value) in err
    assert f"{case}.py" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_a_file_that_is_not_there_is_one_sentence(call, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'")
    for path, code in (("nowhere.py", "missing"), (".", "folder"), ("notes.txt", "ending"), ("latin.py", "unreadable")):
        with refused(UsageError, subject=Path(path).absolute(), code=code) as caught:
            read_plugin_files([path])
        exit_code, _, err = call("list", "objectives", "--plugin", path)
        assert exit_code == 2
        assert str(caught.value) in err
        assert len(err.splitlines()) == 1


def test_two_files_of_one_name_are_refused(tmp_path, mine):
    (tmp_path / "below").mkdir()
    other = tmp_path / "below" / "mine.py"
    other.write_text(mine.read_text() + "\n")
    with refused(UsageError, subject="mine.py", code="twice"):
        read_plugin_files([mine, other])


def test_a_file_may_clash_with_what_is_installed(tmp_path, mine):
    mine.write_text(mine.read_text().replace('name = "mine"', 'name = "gan"'))
    registry = load_plugins(files=read_plugin_files([mine]))
    with refused(PluginError, subject="gan", code="clash", remedy="ganbench:gan or mine.py:gan"):
        registry.objectives.find("gan")
    assert registry.objectives.find("mine.py:gan").__name__ == "Mine"


def test_it_is_listed_and_planned_and_a_study_file_may_name_it(call, tmp_path, mine):
    assert "mine.py" in call("list", "objectives", "--plugin", "mine.py")[1]
    rows = json.loads(call("plugins", "--plugin", "mine.py", "--json")[1])
    assert [row["file"] for row in rows if row["distribution"] == "mine.py"] == [str(mine)]
    (tmp_path / "study.toml").write_text('objectives = ["mine"]\nplugin = "mine.py"\n')
    code, out, _ = call("run", "study.toml", "--plan", *SMALL)
    assert code == 0
    assert out.splitlines()[-1].split()[:3] == ["5", "of", "5"]
    code, _, err = call("run", "--objectives", "mine", "--plan")
    assert code == 2
    assert "'mine'" in err
    (tmp_path / "study.toml").write_text("plugin = [3]\n")
    assert "study.toml:1:" in call("run", "study.toml", "--plan")[2]


@pytest.mark.slow
def test_it_trains_in_worker_processes_and_the_study_remembers_it(call, tmp_path, mine):
    asked = ["run", "--objectives", "mine,gan", "--seeds", "2", *SMALL, "--out", "a"]
    assert call(*asked, "--plugin", "mine.py")[0] == 0
    results = ganbench.load("a")
    assert set(results.trials["status"]) == {"completed"}
    folder = next((tmp_path / "a" / "trials").glob("mine-s0-*"))
    run = json.loads((folder / "run.json").read_text())
    assert run["origins"]["objective"]["file"] == str(mine)
    assert run["origins"]["dataset"]["distribution"] == "ganbench"
    assert [p["file"] for p in run["plugins"] if p["distribution"] == "mine.py"] == [str(mine)]

    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "trials").rglob("*")}
    assert call(*asked, "--plugin", "mine.py")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "trials").rglob("*")} == written
    for command in (["report", "a"], ["export", "a", "--format", "csv"], ["verify", "a"], ["compare", "a", "a"]):
        assert call(*command)[0] == 0, command
    assert call("evaluate", "a", "--metrics", "kid")[0] == 0

    code, _, err = call("rerun", folder)
    assert code == 2
    assert err.split()[-2:] == ["--plugin", str(mine)]
    assert call("rerun", folder, "--plugin", mine)[0] == 0

    mine.write_text(mine.read_text().replace("0.5 * scores", "0.7 * scores"))
    code, _, err = call("rerun", folder, "--plugin", mine)
    assert code == 2
    assert "'mine'" in err
    call(*asked, "--plugin", "mine.py")
    assert len(pd.DataFrame(ganbench.load("a").trials).query("objective == 'mine'")) == 4  # the edited one is another
