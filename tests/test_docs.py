"""What the README promises is what happens: its commands parse and resolve, its objective works as it stands."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from toys import make_cohort, readings_of

from ganbench import cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


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
    words = shlex.split(command.split("&&")[-1])
    monkeypatch.setattr(sys, "argv", [*words, *([] if "--plan" in words else ["--plan"])])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code, capsys.readouterr().err
    assert "trials would run" in capsys.readouterr().out


def test_the_objective_of_the_readme_trains():
    (code,) = [b for b in blocks("python") if "hookimpl" in b]
    names = {"__name__": "readme"}
    sys.modules["readme"] = type(sys)("readme")
    exec(compile(code, "README.md", "exec"), names)
    (objective,) = names["ganbench_objectives"]()
    assert readings_of(make_cohort(objective())).isfinite().all()


def test_every_file_that_the_documents_link_to_exists():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")]
    for path in pages:
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path} links to {target}"


def test_every_objective_is_in_the_readme():
    from ganbench.plugins import load_plugins

    for cls in load_plugins().objectives:
        assert f"`{cls.name}`" in README
