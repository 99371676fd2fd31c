"""The benchmark for GPUs runs whole on a processor, so that its first run on a GPU measures instead of failing."""

import json
import os
import subprocess
import sys

import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu
import guarded
import overlay

PROGRAM = """
import json, os, sys, time
for order in json.loads(sys.argv[1]):
    if order["measure"] == "hang":
        time.sleep(60)
    if order["measure"] == "crash":
        os.abort()
    failed = order["measure"] == "fail"
    print(json.dumps({"error": "ValueError"} if failed else {"figures": {"process": os.getpid()}}), flush=True)
    if failed:
        sys.exit(1)
"""


def measured(rows, tmp_path, seconds=60.0):
    """What becomes of rows under a program that does as each row's measure says."""
    program, found = tmp_path / "program.py", []
    program.write_text(PROGRAM)
    guarded.measure_rows(rows, program, {"part": guarded.time.monotonic() + seconds}, tmp_path, found.append)
    return found


def row(name, measure="work", **changes):
    return guarded.Row("part", name, measure, **changes)


def test_a_failure_a_crash_and_a_hang_cost_their_own_rows(tmp_path):
    rows = [row("a"), row("b", "fail"), row("c"), row("d", "crash"), row("e", "hang", limit=0.2), row("f"), row("g")]
    found = measured(rows, tmp_path)
    assert [r.name for r in found] == list("abcdefg")
    assert [r.status for r in found] == ["ok", "failed", "ok", "failed", "timed out", "ok", "ok"]
    assert found[1].reason == "ValueError"
    assert "SIGABRT" in found[3].reason
    assert found[5].figures == found[6].figures  # of one process
    assert found[0].figures != found[2].figures  # what failed has ended with its process


def test_a_part_ends_at_its_time(tmp_path):
    found = measured([row("a", "hang"), row("b")], tmp_path, seconds=0.2)
    assert [r.status for r in found] == ["timed out", "timed out"]


def test_what_the_device_lacks_is_measured_and_said(tmp_path):
    (found,) = measured([row("a", needs="n/a on cpu")], tmp_path)
    assert (found.status, found.reason) == ("not on this device", "n/a on cpu")
    assert found.figures


def test_both_files_are_written_after_every_row(tmp_path):
    rows = [row("slow"), row("quick", base="slow"), row("other")]
    table = gpu.Table(rows, tmp_path, {"smoke": True})
    table.tell(rows[0].ended("ok", **{gpu.UNIT: 2.0}))
    table.tell(rows[1].ended("ok", **{gpu.UNIT: 5.0}))
    kept = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert [r["status"] for r in kept] == ["ok", "ok", "not begun"]
    assert kept[1]["figures"]["times slow"] == 2.5
    assert len(lines_of(tmp_path / "gpu.md")) == 3
    assert sorted(f.name for f in tmp_path.iterdir()) == ["gpu.json", "gpu.md"]


def lines_of(file):
    """The rows of a Markdown table, without its head."""
    return [line for line in file.read_text().splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
@pytest.mark.parametrize("size", [gpu.Size(), gpu.SMOKE], ids=["whole", "smoke"])
def test_the_plan_has_every_part_and_fits_nine_minutes(size, device):
    rows = gpu.plan(size, device)
    assert list(dict.fromkeys(r.part for r in rows)) == list(gpu.LIMITS)
    assert len({(r.part, r.name) for r in rows}) == len(rows)
    assert {r.base for r in rows} - {""} <= {r.name for r in rows}
    assert sum(gpu.LIMITS.values()) < 540
    assert [p for _, group in gpu.GROUPS for p in group] == list(gpu.LIMITS)[1:]


def test_every_file_with_tests_of_a_gpu_is_in_the_plan():
    mark = "@pytest.mark." + "gpu"
    assert sorted(
        str(f.relative_to(ROOT)) for f in (ROOT / "tests").rglob("test_*.py") if mark in f.read_text()
    ) == sorted(gpu.Size().tests)


def test_an_overlay_offers_the_checkouts_plugins_and_needs_nothing_here(tmp_path):
    from importlib.metadata import distributions

    installed, lacking = overlay.complete(tmp_path, None)
    assert (installed, lacking) == ([], [])
    (found,) = distributions(path=[str(tmp_path)])
    assert found.name == "ganbench"
    assert {e.name for e in found.entry_points if e.group == "ganbench"} == {"builtin", "objectives"}


def test_an_overlay_never_brings_pytorch_along(tmp_path, monkeypatch):
    monkeypatch.setattr(overlay, "TESTS", ("torch>=999", "no-such-distribution"))
    monkeypatch.setattr(
        overlay, "_pip", lambda site, wheels, wanted: "" if [w for w in wanted if w.name == "torch"] else "no"
    )
    installed, lacking = overlay.complete(tmp_path, tmp_path)
    assert installed == []
    assert len(lacking) == 2


@pytest.mark.slow(seconds=90)
def test_everything_runs_on_a_processor(tmp_path):
    environment = {**os.environ, "OUT": str(tmp_path), "PYTHON": sys.executable}
    command = ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "--device", "cpu", "--smoke"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    of_cuda = {(r.part, r.name) for r in gpu.plan(gpu.SMOKE, "cpu") if r.needs}
    assert len(of_cuda) < len(rows) / 2
    for found in rows:
        wanted = "not on this device" if (found["part"], found["name"]) in of_cuda else "ok"
        assert found["status"] == wanted, found
        assert found["figures"], found
    assert {found["part"] for found in rows} == set(gpu.LIMITS)
    assert len(lines_of(tmp_path / "gpu.md")) == len(rows)
