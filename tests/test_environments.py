"""Machines as users have them: the same answer, or one sentence and exit code 2. Most run in this process."""

import errno
import io
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile

import pytest
from places import ROOTS
from reported import OBJECTIVES, write_study

import ganbench
from ganbench.cli.listing import describe_all, read_cache, write_cache
from ganbench.cli.terminal import UNREAD, printable
from ganbench.interfaces.paths import cache_folder
from ganbench.plugins.registry import load_plugins
from ganbench.study.config import make_config

PLAN = ["run", "--plan", "--objectives", "gan", "--datasets", "ring", "--seeds", "1", "--steps", "20"]
NOTEBOOK = "module://matplotlib_inline.backend_inline"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("studies") / "a", steps=2)


# -- in this process ---------------------------------------------------------------------------------------------------


def no_home(patch, here):
    patch.delenv("HOME", raising=False)
    patch.delenv("GANBENCH_DATA", raising=False)
    patch.delenv("XDG_CACHE_HOME")
    patch.setattr(pwd, "getpwuid", lambda number: {}[number])


def folder_named(name):
    def go(patch, here):
        (here / name).mkdir()
        patch.chdir(here / name)

    return go


def file_named(name, text):
    return lambda patch, here: (here / name).write_text(text)


def variables(**values):
    def set_all(patch, here):
        for name, value in values.items():
            patch.delenv(name, raising=False) if value is None else patch.setenv(name, value)

    return set_all


def temporary_folder_missing(patch, here):
    patch.setenv("TMPDIR", str(here / "none"))
    patch.setattr(tempfile, "tempdir", None)


def closed_umask(patch, here):
    before = os.umask(0o077)
    patch.setattr(os, "umask", os.umask)  # so that undoing has an order; the umask itself is restored by the fixture
    patch.setitem(RESTORED, "umask", before)


RESTORED = {}
EXPECTED = []  # what the commands print where nothing is odd; filled by the first test

ODD = {
    "no-home-variable": variables(HOME=None),
    "no-home-and-no-passwd-entry": no_home,
    "home-does-not-exist": variables(HOME="/nonexistent", XDG_CACHE_HOME=None),
    "home-is-a-file": variables(HOME="/dev/null", XDG_CACHE_HOME=None),
    "cache-folder-relative": variables(XDG_CACHE_HOME="here"),
    "cache-folder-unwritable": variables(XDG_CACHE_HOME="/proc"),
    "cache-folder-empty-text": variables(XDG_CACHE_HOME=""),
    "no-path-and-so-no-git": variables(PATH=None),
    "git-folder-of-something-else": variables(GIT_DIR="/nonexistent", GIT_WORK_TREE="/"),
    "40-columns": variables(COLUMNS="40"),
    "no-columns": variables(COLUMNS="0", LINES="0"),
    "columns-are-no-number": variables(COLUMNS="wide"),
    "terminal-unknown": variables(TERM="nonsense"),
    "terminal-dumb": variables(TERM="dumb", NO_COLOR="1"),
    "colours-forced": variables(FORCE_COLOR="1", CLICOLOR_FORCE="1", PY_COLORS="1", TTY_COMPATIBLE="1"),
    "umask-077": closed_umask,
    "temporary-folder-missing": temporary_folder_missing,
    "folder-with-spaces": folder_named("My Documents (2)"),
    "folder-with-other-letters": folder_named("données-Ελλάδα-🙂"),
    "folder-with-a-line-end": folder_named("a\nb"),
    "folder-of-undecodable-bytes": folder_named(os.fsdecode(b"caf\xe9")),
    "folder-that-looks-like-an-option": folder_named("--out"),
    "notebook-backend": variables(MPLBACKEND=NOTEBOOK),
    "unknown-backend": variables(MPLBACKEND="nonsense"),
    "broken-matplotlibrc": file_named("matplotlibrc", "backend: nonsense\nfigure.dpi: many\n:::\n"),
    "another-project": file_named("pyproject.toml", "this is [no TOML"),
    "threads-are-no-number": variables(OMP_NUM_THREADS="all", MKL_NUM_THREADS=""),
    "no-gpu-visible": variables(CUDA_VISIBLE_DEVICES=""),
    "a-gpu-that-is-not-there": variables(CUDA_VISIBLE_DEVICES="7"),
    "time-zone-unknown": variables(TZ="Mars/Olympus"),
    "language-of-messages": variables(LANGUAGE="de", LANG="de_DE.ISO-8859-1"),
    "data-folder-below-home": variables(GANBENCH_DATA="~/data"),
    "data-folder-missing": variables(GANBENCH_DATA="/nonexistent/data"),
    "no-plugins": variables(GANBENCH_PLUGINS="off"),
    "proxies": variables(http_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9", no_proxy=None),
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD)
def test_a_plan_and_a_leaderboard_are_the_same_everywhere(call, study, monkeypatch, tmp_path, odd):
    if not EXPECTED:
        EXPECTED.extend([call(*PLAN)[:2], call("export", study, "--format", "json")[:2]])
    try:
        ODD[odd](monkeypatch, tmp_path)
        found = [call(*PLAN)[:2], call("export", study, "--format", "json")[:2]]
    finally:
        if "umask" in RESTORED:
            os.umask(RESTORED.pop("umask"))
    assert found[0] == EXPECTED[0]
    assert found[1] == EXPECTED[1]
    assert found[0][0] == 0
    assert not (tmp_path / "~").exists()


def test_a_dataset_without_a_place_is_one_sentence_that_names_the_variable(call, monkeypatch, tmp_path):
    no_home(monkeypatch, tmp_path)
    for args in (["run", "--datasets", "mnist"], ["data", "fetch", "mnist"]):
        code, out, err = call(*args)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "GANBENCH_DATA" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["~/data", "~nobody-of-this-name/data"])
def test_a_home_that_is_not_known_is_one_sentence(call, monkeypatch, tmp_path, text):
    no_home(monkeypatch, tmp_path)
    monkeypatch.setenv("GANBENCH_DATA", text)
    for args in (PLAN, ["export", text, "--format", "csv"], [*PLAN, "--out", text], ["plugin", "check", text]):
        code, _, err = call(*args)
        assert (code, err.count("\n")) == (2, 1)
        assert text in err


@pytest.mark.parametrize("key", ["out", "data-root", "plugin"])
def test_the_home_folder_is_meant_wherever_a_path_is_read(monkeypatch, tmp_path, key):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "study.toml"
    file.write_text(f'{key} = "~/x.py"\n')
    name, expected = key.replace("-", "_"), str(tmp_path / "x.py")
    from_file, typed = make_config(file, {}, False), make_config(None, {name: "~/x.py"}, False)
    for request in (from_file, typed):
        assert getattr(request, name) in (expected, (expected,))


@pytest.mark.slow
def test_commands_read_paths_below_the_home_folder(call, monkeypatch, study):
    monkeypatch.setenv("HOME", str(study.parent))
    assert call("export", "~/a", "--format", "csv", "--out", "~/a.csv")[0] == 0
    assert (study.parent / "a.csv").exists()
    assert call("compare", "~/a", "~/a")[0] == 0
    assert call("verify", "~/a")[0] in (0, 1)


def test_a_file_in_the_place_of_the_results_is_one_sentence(call, tmp_path):
    (tmp_path / "results").write_text("")
    code, out, err = call(*PLAN)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.split()[1:3] == ["--out:", str(tmp_path / "results")]


def test_no_usable_temporary_folder_is_one_sentence(call, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "none")])
    monkeypatch.setattr("ganbench.cli.verify.verify", lambda *_: tempfile.mkdtemp())
    code, out, err = call("verify", "somewhere")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "TMPDIR" in err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EMFILE, errno.EAGAIN])
@pytest.mark.parametrize("name", [None, "/some/file"])
def test_what_the_system_refuses_is_one_sentence(call, monkeypatch, number, name):
    def refuse(*_):
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr("ganbench.cli.verify.verify", refuse)
    code, out, err = call("verify", "somewhere")
    assert (code, out, err.count("\n")) == (2, "", 1)


# -- files as other programs write them --------------------------------------------------------------------------------

SOURCE = '''"""Größe."""
from dataclasses import dataclass
from ganbench import Objective, hookimpl

@dataclass(frozen=True)
class Own(Objective):
    "Größe."
    name = "own"
    def critic_loss(self, critic, real, fake, draw):
        return critic(fake).mean() - critic(real).mean()
    def generator_loss(self, critic, real, fake, draw):
        return -critic(fake).mean()

@hookimpl
def ganbench_objectives():
    return [Own]
'''


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_study_file_may_begin_with_a_byte_order_mark_and_end_lines_as_windows_does(tmp_path, encoding, end):
    file = tmp_path / "study.toml"
    file.write_bytes(f"# Größe{end}seeds = 2{end}steps = 30{end}".encode(encoding))
    request = make_config(file, {}, quick=False)
    assert (request.seeds, request.steps) == ((0, 1), 30)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_study_file_in_another_encoding_is_one_sentence(call, tmp_path, encoding):
    (tmp_path / "study.toml").write_bytes("# Größe\nseeds = 2\n".encode(encoding))
    code, out, err = call("run", "study.toml", "--plan")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "study.toml" in err


@pytest.mark.parametrize(
    "content",
    [
        SOURCE.encode(),
        SOURCE.encode("utf-8-sig"),
        SOURCE.replace("\n", "\r\n").encode(),
        b"# -*- coding: latin-1 -*-\n" + SOURCE.encode("latin-1"),
    ],
    ids=["plain", "byte-order-mark", "windows", "latin-1"],
)
def test_a_plugin_file_is_read_as_python_reads_it(call, tmp_path, content):
    (tmp_path / "own.py").write_bytes(content)
    code, out, err = call("list", "objectives", "--plugin", "own.py", "--json")
    assert code == 0, err
    (row,) = [row for row in json.loads(out) if row["name"] == "own"]
    assert row["summary"] == "Größe."


@pytest.mark.parametrize("content", [SOURCE.encode("latin-1"), SOURCE.encode("utf-16"), b"# coding: nonsense\n", b"\0"])
def test_a_plugin_file_that_python_cannot_read_is_one_sentence(call, tmp_path, content):
    (tmp_path / "own.py").write_bytes(content)
    code, out, err = call("list", "objectives", "--plugin", "own.py")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "own.py" in err


# -- standard streams --------------------------------------------------------------------------------------------------


@pytest.fixture
def stream(monkeypatch, call):
    """Runs a command with another standard output; gives its exit code and what was written, as bytes."""

    def run(encoding, *args):
        written = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out := io.TextIOWrapper(written, encoding=encoding))
            code, _, err = call(*args)
            out.flush()
        return code, written.getvalue().decode(encoding), err

    return run


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "shift-jis", "utf-16"])
def test_what_an_encoding_lacks_is_replaced_and_tables_keep_their_widths(stream, study, encoding):
    code, out, err = stream(encoding, "compare", study, study)
    assert code == 0, err
    ruler = next(line for line in out.splitlines() if set(line) <= {"-", " ", "─"} and line.strip())
    header = out.splitlines()[out.splitlines().index(ruler) - 1]
    columns = [match.start() for match in re.finditer(r"\S+", ruler)]
    assert all(header[start] != " " and header[max(start - 1, 0)] in f" {header[0]}" for start in columns)


@pytest.mark.parametrize(("form", "code"), [("csv", 0), ("latex", 0), ("json", 0), ("md", 2)])
def test_a_document_is_written_to_the_letter_or_not_at_all(stream, study, form, code):
    found, out, err = stream("cp1252", "export", study, "--format", form)
    assert found == code
    assert bool(out) == (code == 0)
    assert "Traceback" not in err
    if code:
        assert "--out" in err


def test_text_of_others_reaches_a_terminal_as_escapes():
    assert printable("wgan[clip=0.1] ‖∇G‖ Größe 日本 −1") == "wgan[clip=0.1] ‖∇G‖ Größe 日本 −1"
    assert printable("\x1b[2Ja\r\nb\tc\x07\x9b\x7f") == r"\x1b[2Ja\r\nb\tc\x07\x9b\x7f"
    assert (
        printable("\u202eab\u2066c\u200f\u061c\ufeff\u2028\udcff") == r"\u202eab\u2066c\u200f\u061c\ufeff\u2028\udcff"
    )


HOSTILE = "\x1b]0;owned\x07\u202egan\nnext"
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A study whose labels hold escape sequences, direction marks and line ends, as a received one may."""
    folder = tmp_path_factory.mktemp("hostile") / "a"
    return write_study(folder, {HOSTILE: 40.0, "wgan": 20.0}, seeds=1, steps=2, dataset=f"digits{HOSTILE}")


@pytest.mark.parametrize(
    "args",
    [
        ["export", "{}", "--format", "csv"],
        ["export", "{}", "--format", "md"],
        ["export", "{}", "--format", "latex"],
        ["export", "{}", "--format", "json"],
        ["compare", "{}", "{}"],
        ["verify", "{}"],
        ["evaluate", "{}", "--metrics", "kid"],
        ["export", "{}", "--format", "\x1b[31m"],
        ["export", "\x1b[31m\n", "--format", "csv"],
        ["plugin", "check", "\x1b[31m\nx"],
        ["list", "\x1b[31m"],
    ],
    ids=lambda args: " ".join(args[:1] + args[2:]).encode("unicode_escape").decode(),
)
def test_no_command_prints_control_characters_of_names(call, hostile, args):
    code, out, err = call(*(str(hostile) if arg == "{}" else arg for arg in args))
    assert code in (0, 1, 2)
    assert not HIDDEN.search(out + err)
    assert "Traceback" not in err


def test_the_live_display_shows_names_as_they_are(monkeypatch):
    """Neither as markup nor as escape sequences; at 40 columns the percentage is there in full."""
    from ganbench.cli import run as progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    class Cohort:
        name, seeds = f"wgan[bold]{HOSTILE}", (0, 1)

        def work(self):
            return 5

    for columns in ("40", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setattr(sys, "stderr", Terminal())
        with progress.progress_bars([Cohort()]) as advance:
            advance(Cohort(), 10)
        shown = sys.stderr.getvalue()
        assert "wgan[bold]" in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown
        assert "100%" in shown


@pytest.mark.slow
def test_a_pipe_that_nobody_reads_ends_with_141_and_costs_no_remark(call, monkeypatch, study):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Gone())
    for args in (["export", study, "--format", "csv"], ["compare", study, study], ["--help"]):
        assert call(*args)[0] == UNREAD
    monkeypatch.undo()
    monkeypatch.setattr(sys, "stderr", Gone())
    assert call("export", study, "--format", "csv")[0] == 0
    assert call("export", study / "nowhere", "--format", "csv")[0] == 2


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_is_not_there_is_no_error(call, monkeypatch, study, name):
    monkeypatch.setattr(sys, name, None)
    assert call("export", study, "--format", "csv")[0] == 0
    assert call("list", "nonsense")[0] == 2


# -- other interpreters ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A cache that holds what is installed, so that ``list`` needs no PyTorch; the folder and the objectives."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("GANBENCH_PLUGINS", raising=False)
        registry = load_plugins()
        write_cache(registry, describe_all(registry))
        if read_cache() is None:
            pytest.skip("an installed plugin is broken, so that nothing is kept")
    return folder, registry.objectives.names()


def start(listed, *args, options=(), before=None, **given):
    """``ganbench`` in a process of its own; gives exit code, output and remarks."""
    values = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(listed[0]), "PYTHONPATH": os.pathsep.join(ROOTS)}
    values |= given.pop("env", {})
    command = [sys.executable, *options, "-m", "ganbench", *args]
    done = subprocess.run(command, env=values, capture_output=True, check=False, preexec_fn=before, **given)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


INTERPRETERS = {
    "nothing-set": {},
    "warnings-are-errors": {"env": {"PYTHONWARNINGS": "error"}},
    "warnings-are-errors-by-option": {"options": ["-W", "error", "-bb"]},
    "development-mode": {"options": ["-X", "dev"], "env": {"PYTHONTRACEMALLOC": "1"}},
    "no-docstrings": {"options": ["-OO"]},
    "safe-path": {"env": {"PYTHONSAFEPATH": "1"}},
    "no-utf-8": {"env": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
    "windows-encoding": {"env": {"PYTHONIOENCODING": "cp1252"}},
    "strict-ascii": {"env": {"PYTHONIOENCODING": "ascii:strict"}},
    "unbuffered": {"env": {"PYTHONUNBUFFERED": "1"}},
    "hashes-fixed": {"env": {"PYTHONHASHSEED": "0"}},
    "locale-warnings": {"env": {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", INTERPRETERS)
def test_every_interpreter_lists_the_same_without_pytorch(listed, odd):
    code, out, err = start(listed, "list", "objectives", "--json", **INTERPRETERS[odd])
    assert code == 0, err
    assert [row["name"] for row in json.loads(out)] == listed[1]
    assert "Traceback" not in err


def test_the_list_is_kept_until_a_plugin_changes(listed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(listed[0]))
    assert [row["name"] for row in read_cache()["objectives"]] == listed[1]
    (file,) = cache_folder().iterdir()
    kept = json.loads(file.read_text())
    for change in ({"key": [*kept["key"], "another"]}, {"files": {**kept["files"], ganbench.__file__: [0, 0]}}):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        cache_folder().mkdir(exist_ok=True)
        (cache_folder() / file.name).write_text(json.dumps({**kept, **change}))
        assert read_cache() is None
    for text in ("", "[]", "{}", "null"):
        (cache_folder() / file.name).write_text(text)
        assert read_cache() is None


def test_completion_knows_names(listed):
    words = {"COMP_WORDS": "ganbench run --objectives gan,wg", "COMP_CWORD": "3", "_GANBENCH_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", "import sys; sys.argv = ['ganbench']; from ganbench.cli.app import main; main()"]
    env = {"XDG_CACHE_HOME": str(listed[0]), "PYTHONPATH": os.pathsep.join(ROOTS), **words}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert {"gan,wgan", "gan,wgan-gp"} <= set(done.stdout.split()), done.stderr


def closed_streams():
    for number in (0, 1, 2):
        os.close(number)


def test_closed_streams_are_no_error(listed):
    """What is opened next would get their numbers, and with them all that is printed."""
    code = "import os, sys; sys.argv = ['ganbench', 'list', 'metrics']; from ganbench.cli import app\n"
    code += "try:\n    app.main()\nexcept SystemExit as stop:\n"
    code += "    sys.exit(stop.code or (0 if os.open(os.devnull, os.O_RDONLY) > 2 else 9))"
    env = {"XDG_CACHE_HOME": str(listed[0]), "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run([sys.executable, "-c", code], env=env, preexec_fn=closed_streams, check=False)
    assert done.returncode == 0


def test_a_folder_that_was_deleted_is_one_sentence(listed, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    code, out, err = start(listed, "list", "objectives", cwd=folder, before=folder.rmdir)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert start(listed, "--version", cwd=tmp_path)[0] == 0


def test_a_reader_that_leaves_and_a_full_disk_are_no_traceback(listed):
    reader, writer = os.pipe()
    os.close(reader)
    values = {"XDG_CACHE_HOME": str(listed[0]), "PYTHONPATH": os.pathsep.join(ROOTS)}
    command = [sys.executable, "-m", "ganbench", "list", "objectives"]
    done = subprocess.run(command, env=values, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (UNREAD, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, env=values, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)


# -- a whole run -------------------------------------------------------------------------------------------------------


@pytest.mark.slow(seconds=60)
def test_a_run_and_its_report_where_everything_is_odd_at_once(tmp_path):
    """No home, cp1252, a notebook's backend, warnings as errors, 40 columns, umask 077, no input, an odd folder."""
    folder = tmp_path / "donn\u00e9es 2"
    folder.mkdir()
    (folder / "matplotlibrc").write_text("backend: nonsense\n")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(ROOTS), "PYTHONIOENCODING": "cp1252",
           "PYTHONWARNINGS": "error", "MPLBACKEND": NOTEBOOK, "COLUMNS": "40", "HOME": "/nonexistent"}  # fmt: skip
    for args in (
        ["run", *PLAN[2:], "--evaluate-every", "10", "--n-samples", "50", "--no-probe", "--jobs", "1", "--out", "o"],
        ["export", "o", "--format", "csv"],
        ["report", "o"],
    ):
        command = [sys.executable, "-m", "ganbench", *args]
        done = subprocess.run(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, umask=0o077
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        assert b"Traceback" not in done.stderr
    assert (folder / "o" / "report" / "index.html").exists()
    assert set(OBJECTIVES) >= set(ganbench.load(folder / "o").trials["objective"])
