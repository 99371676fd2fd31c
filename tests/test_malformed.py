"""Malformed study files and command lines: one sentence, exit code 2, no traceback, nothing written."""

import contextlib
import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganbench.cli import app

BROKEN_TEXT = st.one_of(
    st.binary(min_size=1, max_size=60).map(lambda b: b"\xff" + b),
    st.sampled_from(
        [
            b"[",
            b"a = ",
            b"seeds = [1,",
            b"= 3",
            b'x = "',
            b"[set",
            b"a = 1\na = 2",
            b"[" * 5000,
            b"a = " + b"[" * 5000,
            b"\0",
        ]
    ),
)
WRONG_VALUES = {
    "objectives": st.sampled_from(["3", "[]", '["gna"]', '["gan", "gan"]', '""', "{}", '"../gan"']),
    "seeds": st.sampled_from(
        [
            "0",
            "-1",
            '"x"',
            "1.5",
            "[]",
            "[1, 1]",
            "true",
            '"5-1"',
            "1" + "0" * 13,
            '"0-99999999999"',
            '"' + "9" * 5000 + '"',
        ]
    ),
    "steps": st.sampled_from(["0", "-5", "1.5", '"many"', "[]", "inf", "true", "1" + "0" * 30]),
    "batch-size": st.sampled_from(["0", "1", '"x"', "nan", "1" + "0" * 30]),
    "evaluate_every": st.sampled_from(["0", "-1", "'x'"]),
    "n-samples": st.sampled_from(["1", "-3", "[]", "1" + "0" * 30]),
    "datasets": st.sampled_from(['"digts"', "7", "[[]]", '"../../ring"']),
    "architectures": st.sampled_from(['"mpl"', "7", "[]"]),
    "device": st.sampled_from(['"gpu"', "3", '""', '"cuda:99"', '"cuda:x"']),
    "jobs": st.sampled_from(["0", "-1", '"x"', "1.5"]),
    "trial-timeout": st.sampled_from(["0", "-1", '"x"', "inf", "nan", "true"]),
    "probe": st.sampled_from(["1", '"yes"']),
    "out": st.sampled_from(["3", '""', '"a\\u0000b"', '"' + "x" * 5000 + '"', "[]"]),
    "data-root": st.sampled_from(["3", '""']),
    "set": st.sampled_from(["3", "{wgan = 3}", "{gan = {n_critic = 0}}", "{gan = {x = 1}}", "{nobody = {x = 1}}"]),
    "stepz": st.just("3"),
    "[run]\nsteps": st.just("3"),
}
WRONG_LINES = st.sampled_from(sorted(WRONG_VALUES)).flatmap(
    lambda key: WRONG_VALUES[key].map(lambda value: f"{key} = {value}\n".encode())
)
WRONG_ARGUMENTS = st.one_of(
    st.tuples(
        st.sampled_from(["--objectives", "--seeds", "--steps", "--set", "--device", "--jobs", "--architectures"]),
        st.sampled_from(["", "x y", "-1", "../..", "1e9x", "wgan.clip", "wgan.clip=", "=", "ü", "\ud800", "gan,,wagn"]),
    ),
    st.tuples(st.sampled_from(["--steps", "--batch-size", "--trial-timeout", "--n-samples"]), st.just("0")),
    st.tuples(st.sampled_from(["--nonsense", "-x", "--out=", "--seeds"])),
    st.tuples(st.just("absent.toml")),
    st.tuples(st.just(".")),
)


def call(*args):
    """A command in this process; gives exit code and what stood on standard error."""
    err, before = io.StringIO(), sys.argv
    sys.argv = ["ganbench", *args]
    try:
        with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
            app.main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    return code, err.getvalue()


BASE = ("--datasets", "ring", "--device", "cpu")
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


@pytest.fixture
def no_server(monkeypatch):
    monkeypatch.setattr("ganbench.runner.executors.forkserver.start_early", lambda device: None)


GOOD_LINES = st.lists(
    st.sampled_from([b"quick = true\n", b"steps = 4\n", b"batch_size = 8\n", b"jobs = 1\n"]), max_size=2
)


@pytest.mark.slow
def test_a_hundred_malformed_study_files_are_one_sentence_each_with_exit_code_2(no_server, tmp_path):
    seen = set()

    @given(start=GOOD_LINES, content=st.one_of(BROKEN_TEXT, WRONG_LINES))
    @settings(max_examples=120, **QUIET)
    def check(start, content):
        seen.add(b"".join(start) + content)
        (tmp_path / "bad.toml").write_bytes(b"".join(start) + content)
        code, err = call("run", "bad.toml")
        assert code == 2, err
        assert "Traceback" not in err
        assert "bad.toml" in err or "--" in err
        assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]

    check()
    assert len(seen) >= 100


@pytest.mark.slow
def test_a_hundred_malformed_command_lines_are_one_sentence_each_with_exit_code_2(no_server, tmp_path):
    seen = set()

    @given(arguments=st.lists(WRONG_ARGUMENTS, min_size=1, max_size=2))
    @settings(max_examples=120, **QUIET)
    def check(arguments):
        words = tuple(word for group in arguments for word in group)
        seen.add(words)
        code, err = call("run", *BASE, *words)
        assert code == 2, (words, err)
        assert "Traceback" not in err
        assert not list(tmp_path.iterdir())

    check()
    assert len(seen) >= 100


LONG = "x" * 5000
SMALLEST = ("reproduce", "--claims", "em-duality-examples")


@pytest.mark.parametrize(
    "words",
    [
        ("reproduce", "--profile", "x"), ("reproduce", "--claims", "x"), ("reproduce", "--claims", ","),
        (*SMALLEST, "--jobs", "-1"), (*SMALLEST, "--seeds", "0"), (*SMALLEST, "--seeds", "5-1"),
        (*SMALLEST, "--out", LONG), (*SMALLEST, "--out", "/dev/null"), (*SMALLEST, "--out", "a\0b"),
        ("verify", "nowhere"), ("verify", LONG), ("verify", "a\0b"), ("verify", ".", "--jsn"), ("verify",),
        ("rerun", "nowhere"), ("rerun", LONG), ("rerun", "."), ("compare", "a"), ("compare", "a", "b"),
        ("compare", LONG, "b"), ("compare", "a", "b", "--fail-on", "better"), ("export", ".", "--format", "x"),
        ("export", LONG, "--format", "md"), ("export", ".", "--format", "csv"), ("report", "nowhere"), ("report", LONG),
        ("report",), ("evaluate", "nowhere", "--metrics", "kid"), ("evaluate", LONG, "--metrics", "kid"),
        ("evaluate", ".", "--metrics", ""), ("evaluate", ".", "--metrics", "kid", "--n-samples", "-1"),
        ("data", "fetch", "x"), ("data", "fetch", ""), ("list", "x"), ("plugins", "x"), ("nonsense",),
    ],
    ids=lambda words: " ".join(words)[:60].encode("unicode_escape").decode(),
)  # fmt: skip
def test_other_commands_answer_malformed_lines_in_one_sentence_too(no_server, tmp_path, words):
    code, err = call(*words)
    assert code == 2, err
    assert err
    assert "Traceback" not in err
    assert [p.name for p in tmp_path.iterdir() if p.name != "cache"] == []  # matplotlib keeps its fonts there
