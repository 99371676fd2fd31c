"""The pages of ``docs/``: every block of code runs, top to bottom, and what is written from the code is up to date."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import forked
import ganbench_objectives
import pytest

import ganbench
from ganbench.plugins.registry import load_plugins

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(python|toml|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.]+\.(?:py|toml))\n")
FAMILY = (DOCS / "family.md").read_text(encoding="utf-8")


def play(page, folder):
    """Do what a page says: write its files, run its commands and its Python, in this order, in one folder."""
    names = {"__name__": "page"}
    for language, code in BLOCK.findall(page):
        if file := FILE.match(code):
            (folder / file[1]).write_text(code.removeprefix(file[0]), encoding="utf-8")
        elif language == "console":
            for line in code.splitlines():
                run(line, folder)
        else:
            exec(compile(code, "page", "exec"), names)


def run(line, folder):
    prompt, program, *words = shlex.split(line)
    assert prompt == "$", line
    if program == "pip":
        assert words == ["install", "-e", "."], line
        install(folder)
        return
    assert program in ("ganbench", "pytest"), line
    if program == "ganbench":
        done = forked.ganbench(*words, cwd=folder, path=[folder])
    else:
        roots = [str(Path(module.__file__).parent.parent) for module in (ganbench, ganbench_objectives)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*roots, str(folder)])}
        command = [sys.executable, "-m", program, *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "is broken" not in done.stderr, done.stderr


def install(folder):
    """What ``pip install -e .`` leaves for ``importlib.metadata`` to find."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    place = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    place.mkdir()
    named = f"Name: {project['name']}\nVersion: {project['version']}\n"
    needed = "".join(f"Requires-Dist: {requirement}\n" for requirement in project["dependencies"])
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\n{named}{needed}")
    entries = "".join(f"{k} = {v}\n" for k, v in project["entry-points"]["ganbench"].items())
    (place / "entry_points.txt").write_text(f"[ganbench]\n{entries}")


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_every_block_of_a_page_runs(path, tmp_path):
    page = path.read_text(encoding="utf-8")
    play(page, tmp_path)


@pytest.mark.slow
def test_a_block_that_fails_is_noticed(tmp_path):
    with pytest.raises(AssertionError) as caught:
        play("```console\n$ ganbench run --objectives gna --plan\n```\n", tmp_path)
    assert "'gna'" in str(caught.value)
    with pytest.raises(ZeroDivisionError):
        play("```python\n1 / 0\n```\n", tmp_path)


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_the_verdicts_that_were_measured(generate):
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert generate.TABLE.search(text)
    assert generate.readme(text) == text


def test_the_reference_is_what_the_code_says(generate):
    written = {path.name: path.read_text(encoding="utf-8") for path in generate.FOLDER.glob("*.md")}
    stale = sorted(name for name, text in generate.pages().items() if written.get(name) != text)
    assert stale == [], f"{', '.join(stale)}: run python docs/generate.py and commit what it writes"
    assert set(written) == set(generate.pages())


def test_the_reference_names_every_hook_and_shows_every_loss():
    from ganbench.interfaces import hookspecs

    hooks, losses = ((DOCS / "reference" / name).read_text(encoding="utf-8") for name in ("hooks.md", "objectives.md"))
    for name in vars(hookspecs):
        assert not name.startswith("ganbench_") or f"## {name}\n" in hooks
    for cls in load_plugins().objectives:
        section = losses.partition(f"## {cls.name}\n")[2].partition("\n## ")[0]
        assert "def critic_loss(self" in section
        assert "def generator_loss(self" in section
        assert re.search(r"\((19|20)\d\d\)", section), f"{cls.name} names no paper"


def test_the_family_page_names_every_objective_and_every_technique_of_the_networks():
    registry = load_plugins()
    for cls in registry.objectives:
        assert f"`{cls.name}`" in FAMILY or f"--objectives {cls.name}" in FAMILY, cls.name
    for cls in registry.architectures:
        assert not cls.techniques or re.search(rf"[ `]{cls.name}`", FAMILY), cls.name


def test_what_the_family_page_says_to_ask_for_is_there():
    registry, rows = (
        load_plugins(),
        [row for row in FAMILY.splitlines() if "--objectives" in row and "plugin" not in row],
    )
    asked = [re.search(r"`--objectives ([\w-]+)(?: --architectures ([\w-]+))?", row) for row in rows]
    assert len(asked) > 15
    for found in asked:
        assert registry.objectives.find(found[1])
        assert found[2] is None or registry.architectures.find(found[2])
