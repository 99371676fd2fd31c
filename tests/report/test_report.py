"""The report as a user gets it: one page, every figure as a file, whatever the study is like."""

import base64
import gzip
import importlib
import io
import pkgutil
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
from reported import OBJECTIVES, write_study, write_verdicts
from tiers import spread

import ganbench
from ganbench.report import figures
from ganbench.report.build import SECTION_FIGURES
from ganbench.report.tables import MOST_ROWS, downloads, thinned

HOSTILE = "<script>alert('x')</script>\"&amp;" + "very-long-" * 12
ALL_DIVERGED = {(o, s): "diverged" for o in OBJECTIVES for s in range(2)}


class Outline(HTMLParser):
    """What a page holds: elements with their attributes, and the text of those that matter."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self._open = [], {}, []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        for tag in self._open[-3:]:
            self.text.setdefault(tag, []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, tag):
        return " ".join("".join(self.text.get(tag, [])).split())


def report(call, path):
    code, out, err = call("report", path)
    assert code == 0, err
    page = (path / "report" / "index.html").read_text(encoding="utf-8")
    assert str(path / "report" / "index.html") in out
    return page, Outline(page)


def data_of(outline):
    """The embedded tables, read back as a user would."""
    tables = {}
    for link in (a for a in outline.all("a") if "download" in a):
        kind, _, text = link["href"].partition(";base64,")
        content = base64.b64decode(text)
        content = gzip.decompress(content) if kind == "data:application/gzip" else content
        tables[link["download"]] = pd.read_csv(io.BytesIO(content))
    return tables


@pytest.mark.slow
def test_a_whole_study_becomes_a_whole_page_the_same_to_the_byte_each_time(call, tmp_path):
    path = write_study(tmp_path / "study", seeds=2, architectures=("dcgan", "mlp"), endings={("gan", 1): "diverged"})
    write_verdicts(path)
    page, outline = report(call, path)
    expected = {"finals", "generator-gradients", "critic-gradients", "probe", "gradient-noise", "fid-course"}
    expected |= {"sliced_w1-course", "modes-course", "estimates", "lost-modes"}
    figures = {f"digits-{a}-{name}" for a in ("dcgan", "mlp") for name in expected}
    figures |= {"robustness", "verdicts"}
    assert {f["id"] for f in outline.all("figure")} == figures
    files = {p.name for p in (path / "report" / "figures").iterdir()}
    assert files == {f"{name}.{kind}" for name in figures for kind in ("png", "svg", "pdf")}
    assert all(p.stat().st_size > 1000 for p in (path / "report" / "figures").iterdir())
    assert "Diverged: 1 of 4 trials (gan 1 of 2)." in outline.said("li")
    assert "Claims of the literature: 2 claims tested by 3 rules" in outline.said("p")
    pictures = [s for s in outline.all("svg") if s.get("role") == "img"]
    assert len(pictures) > len(figures)
    assert all(s["aria-label"] for s in pictures)
    for caption in re.findall(r"<figcaption>.*?</figcaption>", page, re.DOTALL):
        assert "Made by" in caption
        assert "ganbench report study" in caption
    statistics = [c for c in re.findall(r"<figcaption>.*?</figcaption>", page, re.DOTALL) if "rule" not in c]
    assert all(
        re.search(r"n = 2|n and how many", c) and re.search(r"interval|column an evaluation", c) for c in statistics
    )

    tables = data_of(outline)
    results = ganbench.load(path)
    assert len(tables["steps.csv"]) == len(results.steps)
    assert tables["evaluations.csv"]["value"].tolist() == pytest.approx(results.evaluations["value"].tolist(), rel=1e-6)
    assert set(tables) == {
        f"{n}.csv" for n in ("leaderboard", "trials", "evaluations", "modes", "probes", "floors", "steps", "verdicts")
    }

    again = tmp_path / "elsewhere" / "study"
    shutil.copytree(path, again, ignore=shutil.ignore_patterns("report"))
    other, _ = report(call, again)
    assert other == page
    for name in files:
        assert (again / "report" / "figures" / name).read_bytes() == (path / "report" / "figures" / name).read_bytes()


def test_the_report_draws_every_figure_that_there_is():
    modules = [importlib.import_module(f"{figures.__name__}.{m.name}") for m in pkgutil.iter_modules(figures.__path__)]
    there = {name for m in modules for name, f in vars(m).items() if name.endswith("_figures") and callable(f)}
    assert there == {*(f.__name__ for f in SECTION_FIGURES), "robustness_figures", "verdict_figures"}


ODD = {
    "hostile name": ({"objectives": {HOSTILE: 3.0, "gan": 5.0}, "seeds": 2}, "is best with 3.5"),
    "one of all": ({"objectives": {"gan": 5.0}, "seeds": 1, "steps": 1}, "There is nothing to compare it with"),
    "all diverged": ({"seeds": 2, "endings": ALL_DIVERGED}, "No trial completed"),
    "no probes": (
        {"seeds": 2, "without": ("probes",)},
        "The vanishing-gradient probe is not drawn: no trial was probed",
    ),
    "no modes": ({"seeds": 2, "without": ("modes",)}, "Which mode each seed lost, and when, is not drawn"),
    "no steps": ({"seeds": 2, "without": ("steps", "probes")}, "Gradient norms are not drawn: no trial has readings"),
    "no evaluations": (
        {"seeds": 2, "without": ("evaluations",)},
        "Nothing can be said of quality: no metric has a value.",
    ),
    "no tables": ({"seeds": 2, "without": ("steps", "probes", "evaluations")}, "Final quality is not drawn"),
}
CASES = spread(ODD, slow=("hostile name", "all diverged", "no tables"), name=str)


@pytest.mark.parametrize("name", CASES)
def test_odd_studies_give_a_whole_page_that_says_what_is_missing(call, tmp_path, name):
    arguments, said = ODD[name]
    page, outline = report(call, write_study(tmp_path / "study", **arguments))
    assert said in outline.said("li")
    assert "Verdicts on claims are not here" in outline.said("li")
    assert "Samples are not shown: no trial has stored a generator." in outline.said("li")
    assert page.count("<script") == 1  # the page's own
    assert page.rstrip().endswith("</html>")
    ids = [a["id"] for _, a in outline.elements if "id" in a]
    assert len(ids) == len(set(ids))
    values = [str(value) for _, attributes in outline.elements for value in attributes.values()]
    wanted = {found for value in values for found in re.findall(r"^#(.+)|url\(#([^)]+)\)", value)}
    names = {one or other for one, other in wanted}
    assert len(names) > 20
    assert names <= set(ids)
    if HOSTILE in str(arguments):
        assert HOSTILE in outline.said("span")


@pytest.mark.parametrize("number", [pytest.param(9, marks=pytest.mark.slow), pytest.param(40, marks=pytest.mark.soak)])
def test_many_objectives_fit(call, tmp_path, number):
    names = {f"objective-{i:02d}[clip={i / 100}]": 10.0 + i for i in range(number)}
    _, outline = report(call, write_study(tmp_path / "study", names, seeds=1, steps=2))
    assert all(name in outline.said("span") for name in names)
    assert "gradients" in str(outline.all("figure"))


@pytest.mark.slow
def test_verdicts_alone_are_a_report_too(call, tmp_path):
    path = write_study(tmp_path / "study", {}, seeds=0)
    write_verdicts(path)
    _, outline = report(call, path)
    assert [f["id"] for f in outline.all("figure")] == ["verdicts"]
    assert "There are no trials here" in outline.said("li")
    assert "Not reproduced, 1 of 2 claims: vanishing." in outline.said("li")


def test_folders_that_are_no_studies_are_one_sentence_with_exit_code_2(call, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    for place, said in (("empty", "is not a results folder"), ("nowhere", "is not a results folder"), ("file", "file")):
        code, out, err = call("report", place)
        assert (code, out) == (2, "")
        assert said in err
        assert "Traceback" not in err
        assert len(err.strip().splitlines()) == 1
    code, _, err = call("report")
    assert code == 2
    assert "there is no results folder below results" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_study_without_a_finished_trial_is_refused_and_nothing_is_written(call, tmp_path):
    path = write_study(tmp_path / "study", {}, seeds=0)
    code, _, err = call("report", path)
    assert code == 2
    assert "there is nothing to report" in err
    assert not (path / "report").exists()


def test_an_out_that_is_a_file_is_refused(call, tmp_path):
    path = write_study(tmp_path / "study", seeds=1)
    (tmp_path / "taken").write_text("")
    code, _, err = call("report", path, "--out", tmp_path / "taken")
    assert code == 2
    assert "--out: " in err


# -- data inside the page ----------------------------------------------------------------------------------------------


def test_a_large_table_is_thinned_to_every_kth_step_and_the_last_and_says_so():
    steps = 1001
    table = pd.DataFrame({"trial": "t", "step": list(range(steps)) * 100, "value": 0.1})
    every, kept = thinned(table)
    assert len(kept) <= MOST_ROWS < len(table)
    assert every == 3
    assert sorted(kept["step"].unique()) == sorted({*range(0, steps, 3), 1000})
    assert (kept.groupby("step").size() == 100).all()
    (found,) = downloads({"steps": table, "empty": table.head(0)})
    assert found.name == "steps-every-3.csv.gz"
    assert (found.rows, found.total) == (len(kept), len(table))
    assert "one step in 3 and the last; the parquet files hold all 100,100 rows" in found.note


def test_small_tables_are_whole_and_plain():
    table = pd.DataFrame({"name": ["a,b", 'say "x"'], "value": [1 / 3, 2.0]})
    (found,) = downloads({"small": table})
    kind, _, text = found.href.partition(";base64,")
    assert (found.name, kind, found.note) == ("small.csv", "data:text/csv", "")
    back = pd.read_csv(io.BytesIO(base64.b64decode(text)))
    assert back["name"].tolist() == table["name"].tolist()
    assert back["value"].tolist() == pytest.approx(table["value"].tolist(), rel=1e-6)
