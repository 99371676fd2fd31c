"""What the README promises is what happens: its commands parse and resolve, its objective works as it stands."""

import re
import shlex
import sys

import pytest
from places import ROOT
from reported import write_study
from toys import make_cohort, readings_of
from wording import PLANNED

from ganbench.cli import app
from ganbench.plugins.loading import read_plugin_files
from ganbench.plugins.registry import load_plugins
from ganbench.testing import check_objective

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)  # an end is never taken for a start
    return [text for of, text in found if of == language]


(OBJECTIVE,) = [block for block in blocks("python") if "hookimpl" in block]
LINES = [line.split("#")[0].strip() for block in blocks("") for line in block.splitlines()]
COMMANDS = [line for line in LINES if line.startswith(("ganbench run", "pip install . && ganbench run"))]


def test_the_first_screen_has_exactly_the_two_commands():
    assert [b.strip() for b in blocks("")[:2]] == [
        "pip install . && ganbench run --objectives gan,wgan --seeds 5",
        "pip install nox && nox",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_run_command_can_be_planned(command, tmp_path, monkeypatch, capsys):
    (study,) = [b for b in blocks("toml") if "seeds" in b]
    (tmp_path / "study.toml").write_text(study)
    (tmp_path / "my_lsgan.py").write_text(OBJECTIVE)
    words = shlex.split(command.split("&&")[-1])
    monkeypatch.setattr(sys, "argv", [*words, *([] if "--plan" in words else ["--plan"])])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert not stop.value.code, capsys.readouterr().err
    assert PLANNED in capsys.readouterr().out


OTHERS = [line for line in LINES if line.startswith(("ganbench report", "ganbench compare", "ganbench export"))]


@pytest.mark.slow
@pytest.mark.parametrize("command", OTHERS)
def test_other_commands_do_what_they_say_with_a_stored_study(command, call, tmp_path):
    for name in ("digits-dcgan", "before", "after"):
        write_study(tmp_path / "results" / name, seeds=6)
    code, out, err = call(*shlex.split(command)[1:])
    assert code == 0, err
    assert out
    assert (tmp_path / "results" / "digits-dcgan" / "report" / "index.html").exists() == command.startswith(
        "ganbench report"
    )


def test_the_objective_of_the_readme_trains_and_conforms(tmp_path):
    (tmp_path / "my_lsgan.py").write_text(OBJECTIVE)
    objective = load_plugins([], files=read_plugin_files(["my_lsgan.py"])).objectives.find("my-lsgan")
    assert readings_of(make_cohort(objective())).isfinite().all()
    assert not check_objective(objective)


def test_every_file_that_the_documents_link_to_exists():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")]
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path} links to {target}"


def test_every_objective_is_in_the_readme():
    for cls in load_plugins().objectives:
        assert f"`{cls.name}`" in README
