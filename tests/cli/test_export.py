"""``export`` and ``compare`` as a user meets them: names that mean something in a format, and exit codes."""

import csv
import io
import json
import re
from math import inf

import pandas as pd
import pytest
import reported
from boards import DIRECTIONS, study, trial
from markdown_it import MarkdownIt

from ganbench.analysis.export import FORMATS, as_csv, as_json, as_latex, as_markdown, interval_text, latex_text
from ganbench.analysis.leaderboard import leaderboard
from ganbench.store import schema
from ganbench.store.folder import StudyFolder

NAMES = [
    "<script>",
    "a|b",
    "50%_x",
    "wgan[clip=0.1]",
    '"c", d',
    "[e]",
    "f--g''",
    "*h*",
    "\\{i}^~`$#&",
    "j<!--k\nl",
    "=1+1",
]


def board(names=NAMES, values=None):
    trials = [trial(name, 0, dataset="d_1 & <b>") for name in names]
    return leaderboard(study(trials, [{"fid": {20: v}} for v in values or range(len(names))]), DIRECTIONS)


def one_line(name):
    return " ".join(name.split())


def test_csv_reads_back_as_it_was():
    table = board()
    rows = list(csv.DictReader(io.StringIO(as_csv(table, DIRECTIONS), newline="")))
    assert [row["objective"] for row in rows] == [*NAMES[:-1], "'=1+1"]
    assert [row["dataset"] for row in rows] == ["d_1 & <b>"] * len(NAMES)
    assert [float(row["fid"]) for row in rows] == list(range(len(NAMES)))
    assert list(rows[0]) == list(table.columns)
    assert rows[0]["fid_low"] == ""  # one seed has no interval


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_text_of_a_csv_file_begins_like_a_formula(start):
    table = pd.DataFrame({f"{start}name": [f"{start}1", "a\r=1", None], "value": [-1.5, 2.0, float("nan")]})
    (header, *rows) = csv.reader(io.StringIO(as_csv(table, DIRECTIONS), newline=""))
    assert header == [f"'{start}name", "value"]
    assert rows == [[f"'{start}1", "-1.5"], ["a =1", "2.0"], ["", ""]]


def test_csv_and_json_hold_every_digit():
    table = board(["a"], [1 / 3])
    assert float(next(csv.DictReader(io.StringIO(as_csv(table, DIRECTIONS))))["fid"]) == 1 / 3
    assert json.loads(as_json(table, DIRECTIONS))[0]["fid"] == 1 / 3


def strict_json(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_json_is_json_even_without_numbers():
    rows = strict_json(as_json(board(), DIRECTIONS))
    assert [row["objective"] for row in rows] == NAMES
    assert rows[0]["fid_low"] is None
    assert (rows[0]["seeds"], rows[0]["variant"]) == (1, 1)
    bad = leaderboard(study([trial("a", 0), trial("b", 0, "failed")], [{"modes": {20: 1.0}}, {}]), DIRECTIONS)
    assert [row["modes"] for row in strict_json(as_json(bad, DIRECTIONS))] == [1.0, "-inf"]


def cells(html):
    """The texts of every row of the tables in some HTML, by the browser's rules for them."""
    from html import unescape

    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [[unescape(c) for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def test_markdown_shows_every_name_as_it_is():
    """Read by a Markdown parser, with tables and with HTML, as a web page would."""
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(as_markdown(board(), DIRECTIONS))
    header, *rows = cells(html)
    assert header[:6] == ["objective", "seeds", "completed", "diverged", "failed", "fid ↓"]
    assert [row[0] for row in rows] == [one_line(name) for name in NAMES]
    assert {len(row) for row in rows} == {len(header)}
    assert [row[5] for row in rows] == [f"{n}" for n in range(len(NAMES))]
    assert "<h3>d_1 &amp; &lt;b&gt; · mlp</h3>" in html
    assert "<script" not in html
    assert "<em>" not in html


TEX = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\`{}": "`", r"\texttt{\char34}": '"', r"\textendash{}": "–",
    r"$\cdot$": "·", r"$\infty$": "∞", "$-$": "−", r"$\downarrow$": "↓", r"$\uparrow$": "↑", r"$\Vert$": "‖",
    r"$\nabla$": "∇", "{}": "", **{f"\\{c}": c for c in "{}&%$#_"},
}  # fmt: skip


def typeset(tex):
    """What LaTeX prints; fails on a character that would mean something and is not escaped."""
    shown = []
    while tex:
        token = next((t for t in TEX if tex.startswith(t)), tex[0])
        assert token in TEX or token not in '\\{}&%$#_^~<>|"`', tex
        assert not tex.startswith(("--", "''", "``")), tex
        shown.append(TEX.get(token, token))
        tex = tex[len(token) :]
    return "".join(shown)


def test_latex_shows_every_name_as_it_is_and_needs_booktabs_only():
    text = as_latex(board(), DIRECTIONS)
    body = text[text.index("\\midrule\n") + 9 : text.index("\\bottomrule")].splitlines()
    assert all(line.endswith(r" \\") for line in body)
    assert not any(line.startswith(("[", "*")) for line in body)  # would be an argument of the line break before
    rows = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in body]
    assert [typeset(row[0]) for row in rows] == [one_line(name) for name in NAMES]
    header = text[text.index("\\toprule\n") + 9 : text.index(r" \\")].split(" & ")
    assert [typeset(h) for h in header][:6] == ["objective", "seeds", "completed", "diverged", "failed", "fid ↓"]
    assert {len(row) for row in rows} == {len(header)}
    assert f"\\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}" in text
    commands = set(re.findall(r"\\([a-zA-Z]+)", text)) - {c[1:] for t in TEX for c in re.findall(r"\\[a-zA-Z]+", t)}
    assert commands == {"usepackage", "begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule"}
    assert text.count("{") == text.count("}")
    assert typeset(latex_text("a---b")) == "a---b"


def test_numbers_for_readers():
    assert interval_text(1.2345, -0.5, inf) == "1.23 [−0.5, ∞]"
    assert interval_text(-0.0, float("nan"), float("nan")) == "0"
    assert interval_text(float("nan"), float("nan"), float("nan")) == "–"


def write(path, values, objective="gan"):
    """A results folder of one objective on ``digits`` with a value of fid a seed."""
    store = StudyFolder(path)
    store.begin({"command": "test"})
    for seed, value in enumerate(values):
        made = reported.trial(objective, seed, architecture="mlp")
        keys = {"trial": made.id, "dataset": "digits", "architecture": "mlp", "objective": objective, "seed": seed}
        tables = study([{**keys, "status": "completed", "settings": ""}], [{"fid": {20: float(value)}}], norms=(1.0,))
        run = {"status": "completed", "last_step": 20, "wall_seconds": 1.0, "attempts": 1, "device": "cpu", "error": "",
               "versions": {}}  # fmt: skip
        store.write(made, run, {name: getattr(tables, name) for name in schema.TABLES}, {})
    return path


@pytest.mark.slow
def test_export_writes_to_standard_output_and_the_same_into_a_file(call, tmp_path):
    write(tmp_path / "a", [1, 2, 6])
    for name in FORMATS:
        code, out, err = call("export", tmp_path / "a", "--format", name)
        assert (code, err) == (0, "")
        code, nothing, err = call("export", tmp_path / "a", "--format", name, "--out", tmp_path / "file")
        assert (code, nothing, err) == (0, "", f"written: {tmp_path / 'file'}\n")
        assert (tmp_path / "file").read_text(encoding="utf-8") == out
        assert ("3" if name in ("md", "latex") else "3.0") in out


def test_metrics_can_be_chosen(call, tmp_path):
    write(tmp_path / "a", [1, 2, 6])
    code, out, _ = call("export", tmp_path / "a", "--format", "json", "--metrics", "fid")
    assert (code, json.loads(out)[0]["fid"]) == (0, 3)
    code, _, err = call("export", tmp_path / "a", "--format", "json", "--metrics", "fidd")
    assert (code, err) == (2, "ganbench: --metrics: unknown metric of these results 'fidd'; did you mean 'fid'?\n")


@pytest.mark.slow
def test_what_is_no_results_folder_is_one_sentence(call, tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.json").write_text("{")
    write(tmp_path / "empty", [])
    good = write(tmp_path / "good", [1.0])
    for name, wanted in (
        ("foreign", "no study.json"),
        ("nowhere", "no study.json"),
        ("empty", "no finished trial"),
        ("damaged", "study.json"),
    ):
        for args in (
            ("export", tmp_path / name, "--format", "csv"),
            ("compare", good, tmp_path / name),
            ("compare", tmp_path / name, good),
        ):
            code, out, err = call(*args)
            assert (code, out, err.count("\n")) == (2, "", 1), err
            assert wanted in err
            assert str(tmp_path / name) in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--format", "csv", "--out", "."), "--out: . is a folder"),
        (("--format", "csv", "--out", "no/file"), "--out: no/file is in a folder that does not exist"),
        ((), "--format"),
    ],
)
def test_bad_options_of_export_are_one_sentence(call, tmp_path, args, message):
    write(tmp_path / "a", [1.0])
    code, out, err = call("export", tmp_path / "a", *args)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.slow
def test_compare_says_worse_and_fails_only_where_asked(call, tmp_path):
    a, b = write(tmp_path / "a", [1, 2, 3, 4, 5, 6]), write(tmp_path / "b", [3, 4, 5, 6, 7, 8])
    code, out, err = call("compare", a, b)
    assert (code, err) == (0, "")
    assert f"A: {a} (trials: 6 completed)" in out
    row = next(line for line in out.splitlines() if line.startswith("gan"))
    assert re.split(r"\s{2,}", row) == ["gan", "fid ↓", "3.5", "5.5", "2 [2, 2]", "worse", "6 paired seeds"]
    assert "0 better, 1 worse, 0 undecided" in out
    assert call("compare", a, b, "--fail-on", "worse")[0] == 1
    assert call("compare", b, a, "--fail-on", "worse")[0] == 0
    assert call("compare", a, a, "--fail-on", "worse")[0] == 0


def test_compare_of_studies_with_nothing_in_common_is_one_sentence(call, tmp_path):
    a, b = write(tmp_path / "a", [1.0]), write(tmp_path / "b", [1.0], "wgan")
    code, _, err = call("compare", a, b)
    assert code == 2
    assert err.splitlines()[-1] == f"ganbench: {a} and {b} have nothing in common that could be compared"
