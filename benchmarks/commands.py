"""What ``gpu.py`` measures by commands: functions that give figures by name, with the unit in brackets.

    python benchmarks/commands.py '[{"measure": "report", "arguments": {...}}, ...]'

Measures one after the other and writes a line of JSON for each to standard output; ends with the first that fails.
PyTorch is not imported here, so that nothing of a device is held while a command uses it.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

Figures = dict[str, Any]
ROOT = Path(__file__).parents[1]
MIB = 2**20


def gpu_tests(file: str, processes: int, device: str) -> Figures:
    """The tests of a file that need a CUDA device. Raises RuntimeError where one fails, or none has run on one."""
    report = Path(f"{Path(file).stem}.xml").absolute()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "-p", "no:cacheprovider"]
    shared = ["-n", str(processes)] if processes > 1 and find_spec("xdist") else []
    done = run([*command, *shared, f"--junitxml={report}", file], ROOT, (0, 1))
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    if failed:
        raise RuntimeError(f"{failed} of {counts['tests']} tests fail: {'; '.join(_failures(suite))}")
    passed = counts["tests"] - counts["skipped"]
    if done or (device == "cuda" and not passed):
        raise RuntimeError(f"exit code {done}, {passed} tests have run, {counts['skipped']} were skipped")
    return {"passed": passed, "skipped": counts["skipped"]}


def _failures(suite: ElementTree.Element) -> Iterator[str]:
    for case in suite.iter("testcase"):
        for failure in (*case.iter("failure"), *case.iter("error")):
            yield f"{case.get('name')}: {(failure.get('message') or '')[:150]}"


def run(command: Sequence[str], folder: Path | None = None, allowed: tuple[int, ...] = (0,)) -> int:
    """Run a command, its output on standard error. Raises RuntimeError unless it ends with an allowed exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, check=False)
    sys.stderr.buffer.write(done.stdout)
    if done.returncode not in allowed:
        raise RuntimeError(f"exit code {done.returncode}: {done.stdout.decode(errors='replace')[-500:]}")
    return done.returncode


def study(folder: str, device: str, options: Sequence[str]) -> Figures:
    """``ganbench run`` as a user says it."""
    command = [sys.executable, "-m", "ganbench", "run", "--device", device, "--out", folder, *options]
    took = _clocked(command)
    runs = [json.loads(file.read_text()) for file in Path(folder).glob("trials/*/run.json")]
    counts = Counter(f"{run['status']} trials" for run in runs)
    return {"run [s]": took, "of it training [s]": _training(folder), **counts}


def _training(folder: str) -> float:
    """Seconds of training, of all cohorts of a study."""
    import pandas as pd

    files = Path(folder).glob("trials/*/steps.parquet")
    steps = pd.concat([pd.read_parquet(file, columns=["objective", "seconds"]) for file in files])
    return float(steps.groupby("objective")["seconds"].max().sum())


def report(folder: str) -> Figures:
    """``ganbench report`` on that study."""
    took = _clocked([sys.executable, "-m", "ganbench", "report", folder])
    return {"report [s]": took, "page [MiB]": (Path(folder) / "report" / "index.html").stat().st_size / MIB}


def _clocked(command: Sequence[str]) -> float:
    began = time.perf_counter()
    run(command)
    return time.perf_counter() - began


def _readable(figures: Figures) -> Figures:
    """JSON has no word for what is not finite."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in figures.items()}


def answer(measures: Mapping[str, Callable[..., Figures]], between: Callable[[], None] = lambda: None) -> None:
    """Measure what the command line asks for; ``between`` is called after every one."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed is no answer
    for order in json.loads(sys.argv[1]):
        try:
            found: dict[str, Any] = {"figures": _readable(measures[order["measure"]](**order["arguments"]))}
        except Exception as error:  # it is this row's alone
            found = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(found) + "\n")
        between()
        if "error" in found:
            sys.exit(1)


MEASURES: dict[str, Callable[..., Figures]] = {f.__name__: f for f in (gpu_tests, study, report)}

if __name__ == "__main__":
    answer(MEASURES)
