"""Everything that is to be known of ganbench on a GPU, in one command that ends within nine minutes.

    OUT=FOLDER bash benchmarks/gpu.sh [--device cuda|cpu] [--smoke] [--wheels FOLDER]

Every row is measured in a process that may fail, hang or be killed without harm to the other rows. ``gpu.json`` and
``gpu.md`` are written after every row, so that ending this early leaves what was measured until then. A part may use
the time that the parts before it have left. ``--smoke`` does everything once, as small as can be: its numbers say
nothing. Nothing here needs more than Python itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import overlay
from guarded import FAILED, GOOD, NO_DEVICE, OK, Row, measure_rows

ROOT = Path(__file__).parents[1]
LIMITS = {  # seconds of each part, in the order of importance: 530 in all
    "packages": 20,
    "gpu tests": 75,
    "machine": 25,
    "throughput": 120,
    "capture": 75,
    "precision": 30,
    "memory": 25,
    "study": 120,
    "claims": 40,
}
MEASURES, COMMANDS = (Path(__file__).with_name(name) for name in ("measures.py", "commands.py"))
GROUPS = (  # of parts that may share a process, with its program; each group begins with a fresh one
    (COMMANDS, ("gpu tests",)),
    (MEASURES, ("machine", "throughput", "capture", "precision")),
    (MEASURES, ("memory",)),
    (COMMANDS, ("study",)),
    (MEASURES, ("claims",)),
)
CASES = ("ring/mlp", "digits/dcgan", "1x28x28/dcgan", "3x32x32/dcgan")
WAYS = {"eager": "eager", "traced": "traced", "as run": "CUDA graph", "reduce-overhead": "reduce-overhead"}
CLAIMS = {  # number: the generators that its rules read, and the critic updates after which they do
    7: (("ring-0", "ring64-0"), 1000),
    9: (("ring-400",), 1000),
    8: (("ring64-300", "ring64-900", "digits-300", "digits-900"), 2000),
}
UNIT = "rate [seed-steps/s]"


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        seeds: of the throughput.
        cohort_sizes: seeds of all other trainings, and the smaller number for memory's comparison.
        cases: of those.
        batch: samples in a batch.
        spend: seconds that a rate is measured for.
        patience: what limits are multiplied with.
        study: options of the study's run.
        claim_seeds: replications.
        shorten: trainings of claims are so many times shorter.
        side: of square matrices; 0 takes what fills the device.
        tests: files of which the tests that need a GPU are run.
        processes: of tests.
        environment: variables of every process.
    """

    seeds: tuple[int, ...] = (1, 8, 64, 256)
    cohort_sizes: tuple[int, int] = (8, 64)
    cases: tuple[str, ...] = ("digits/dcgan", "3x32x32/dcgan")
    batch: int = 64
    spend: float = 2.0
    patience: float = 1.0
    study: tuple[str, ...] = ()
    claim_seeds: int = 10
    shorten: int = 1
    side: int = 0
    tests: tuple[str, ...] = (
        "tests/engine/test_cuda_graph.py",
        "tests/engine/test_cohort.py",
        "tests/networks/test_networks.py",
    )
    processes: int = 4
    environment: tuple[tuple[str, str], ...] = ()


TINY = "--steps 2 --seeds 2 --objectives gan,wgan --batch-size 4 --n-samples 50 --jobs 1 --compile off"
SMOKE = Size(
    seeds=(2,),
    cohort_sizes=(2, 3),
    cases=("ring/mlp",),
    batch=2,
    spend=0.0,
    patience=5.0,
    study=tuple(TINY.split()),
    claim_seeds=2,
    shorten=500,
    side=64,
    tests=("tests/engine/test_cuda_graph.py",),
    processes=1,
    environment=(("OMP_NUM_THREADS", "1"), ("TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS", "0")),
)


def plan(size: Size, device: str) -> list[Row]:
    """Everything that is measured, part by part."""
    missing = "" if device == "cuda" else f"n/a on {device}"
    rows = [Row("packages", "what the environment lacks", limit=LIMITS["packages"])]
    tests = {"processes": size.processes, "device": device}
    rows += [Row("gpu tests", f, "gpu_tests", {"file": f, **tests}, 50, "float64", needs=missing) for f in size.tests]
    rows.append(Row("machine", "device", "machine", {"device": device}, LIMITS["machine"]))
    rows += [*_throughput(size, device), *_capture(size, device, missing), *_precision(size, device, missing)]
    for case in CASES if device == "cuda" or size is not SMOKE else CASES[:1]:
        rows.append(Row("memory", case, "memory", _sizes(size, device, case, seeds=size.cohort_sizes), 25))
    rows += [
        Row("study", "ganbench run", "study", {"folder": "study", "device": device, "options": size.study}, 120),
        Row("study", "ganbench report", "report", {"folder": "study"}, 60),
    ]
    how = {"seeds": size.claim_seeds, "device": device, "shorten": size.shorten}
    for number, (cases, updates) in CLAIMS.items():
        rows.append(
            Row("claims", f"claim {number}", "claim", {"number": number, "cases": cases, "updates": updates, **how}, 40)
        )
    return [replace(row, limit=row.limit * size.patience) for row in rows]


def _sizes(size: Size, device: str, case: str, **others: Any) -> dict[str, Any]:
    return {"case": case, "batch": size.batch, "device": device, **others}


def _throughput(size: Size, device: str) -> Iterator[Row]:
    """Few seeds of everything come before many of anything."""
    for case in CASES:
        arguments = _sizes(size, device, case, spend=size.spend)
        yield Row("throughput", f"{case}, plain loop", "plain_loop", arguments, 30)
    for n in size.seeds:
        for case in CASES:
            arguments = _sizes(size, device, case, seeds=n, spend=size.spend)
            name, base = f"{case}, {n} seed{'s' if n > 1 else ''}", f"{case}, plain loop"
            yield Row("throughput", name, "throughput", arguments, 30, base=base)


def _capture(size: Size, device: str, missing: str) -> Iterator[Row]:
    """The ways in which a step can be run."""
    few, many = size.cohort_sizes
    for case, n in (("ring/mlp", few), (size.cases[0], many)) if size is not SMOKE else (("ring/mlp", few),):
        for way, label in WAYS.items():
            arguments = _sizes(size, device, case, seeds=n, spend=size.spend, way=way)
            name, base = f"{case}, {n} seeds, {label}", f"{case}, {n} seeds, eager"
            needs = missing if way == "as run" else ""
            yield Row("capture", name, "variant", arguments, 45, base="" if way == "eager" else base, needs=needs)


def _precision(size: Size, device: str, missing: str) -> Iterator[Row]:
    """Trainings in three precisions, and what products alone reach."""
    for arithmetic in ("float32", "tf32", "bf16"):
        needs = missing if arithmetic == "tf32" else ""
        how = {"device": device, "arithmetic": arithmetic, "side": size.side}
        yield Row("precision", f"matrix products, {arithmetic}", "products", how, 15, arithmetic, needs=needs)
        for case in size.cases:
            arguments = _sizes(size, device, case, seeds=size.cohort_sizes[1], spend=size.spend, arithmetic=arithmetic)
            base = "" if arithmetic == "float32" else f"{case}, {size.cohort_sizes[1]} seeds, float32"
            name = f"{case}, {size.cohort_sizes[1]} seeds, {arithmetic}"
            yield Row("precision", name, "precision", arguments, 20, arithmetic, base, needs)


class Table:
    """The rows, and the two files that they are kept in.

    Args:
        rows: all that is planned.
        folder: where the files are written.
        header: what stands above the rows.
    """

    def __init__(self, rows: list[Row], folder: Path, header: dict[str, Any]) -> None:
        self.rows, self._folder, self._header = rows, folder, header
        self.write()

    def tell(self, row: Row) -> None:
        """Put down what became of a row."""
        index = next(i for i, r in enumerate(self.rows) if (r.part, r.name) == (row.part, row.name))
        self.rows[index] = self._compared(row)
        self.write()
        figures = _written(self.rows[index].figures)
        print(
            f"{row.part}: {row.name}: {_status(row)}, {row.seconds:.1f} s{f': {figures}' if figures else ''}",
            flush=True,
        )

    def _compared(self, row: Row) -> Row:
        base = next((r for r in self.rows if (r.part, r.name) == (row.part, row.base)), None)
        if base is None or not (UNIT in base.figures and UNIT in row.figures):
            return row
        ratio = row.figures[UNIT] / base.figures[UNIT]
        return replace(row, figures={**row.figures, f"times {base.name}": ratio})

    def of(self, parts: Container[str]) -> list[Row]:
        """The rows of some parts."""
        return [row for row in self.rows if row.part in parts]

    def write(self) -> None:
        """Write both files anew, each through a rename."""
        shown = [asdict(row) for row in self.rows]
        wanted = ("part", "name", "precision", "status", "reason", "seconds", "figures", "arguments")
        rows = [{name: row[name] for name in wanted} for row in shown]
        _replace(self._folder / "gpu.json", json.dumps({**self._header, "rows": rows}, indent=1) + "\n")
        _replace(self._folder / "gpu.md", self._markdown())

    def _markdown(self) -> str:
        machine = next((row.figures for row in self.rows if row.part == "machine"), {})
        title = ", ".join(f"{k} {v}" for k, v in {"device": "unknown", "torch": "unknown", **machine}.items())
        lines = ["# ganbench on a GPU", "", title, ""]
        lines += [", ".join(f"{k}: {v}" for k, v in self._header.items()), ""]
        lines += ["| part | row | precision | status | figures | seconds |", "|---|---|---|---|---|---|"]
        for r in self.rows:
            cells = (r.part, r.name, r.precision, _status(r), _written(r.figures), f"{r.seconds:.1f}")
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
        return "\n".join([*lines, ""])


def _status(row: Row) -> str:
    return f"{row.status}: {row.reason}" if row.reason else row.status


def _written(figures: dict[str, Any]) -> str:
    return "; ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items())


def _replace(file: Path, text: str) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_text(text)
    part.replace(file)


def measure(table: Table, folder: Path, wheels: Path | None, patience: float) -> None:
    """Measure every row; what a part does not need of its time is left to the next."""
    deadlines, end = {}, time.monotonic()
    for part in dict.fromkeys(row.part for row in table.rows):
        deadlines[part] = end = end + LIMITS[part] * patience
    table.tell(_complete(table.of(["packages"])[0], folder / "site", wheels))
    for program, group in GROUPS:
        measure_rows(table.of(group), program, deadlines, folder, table.tell)
        if any(NO_DEVICE in row.reason for row in table.of(["machine"])):
            return


def _complete(row: Row, site: Path, wheels: Path | None) -> Row:
    began = time.monotonic()
    site.mkdir()
    try:
        installed, lacking = overlay.complete(site, wheels)
    except Exception as error:  # the rest may run without
        return row.ended(FAILED, f"{type(error).__name__}: {error}", time.monotonic() - began)
    figures = {"installed": ", ".join(installed) or "nothing"}
    return row.ended(FAILED if lacking else OK, "; ".join(lacking), time.monotonic() - began, **figures)


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Let the processes to come see this checkout, what the environment lacks, and a cache of their own."""
    paths = [folder / "site", ROOT, ROOT / "plugins", ROOT / "benchmarks"]
    before = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, paths), *before])
    os.environ |= {"XDG_CACHE_HOME": str(folder / "cache"), "GANBENCH_PLUGINS": "off", "PYTHONUNBUFFERED": "1"}
    os.environ.pop("MPLCONFIGDIR", None)
    os.environ |= environment


def read_options() -> argparse.Namespace:
    """The command line and OUT. Ends with exit code 2 where they do not fit."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smoke", action="store_true", help="everything once, as small as can be")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels for what the environment lacks")
    parser.add_argument("--parts", default=",".join(LIMITS), help="comma-separated, such as throughput,memory")
    options = parser.parse_args()
    if not os.environ.get("OUT"):
        parser.error("OUT is not set; name an existing folder, as in OUT=FOLDER bash benchmarks/gpu.sh")
    options.out, options.parts = Path(os.environ["OUT"]), ["packages", "machine", *options.parts.split(",")]
    for folder in filter(None, (options.out, options.wheels)):
        if not folder.is_dir():
            parser.error(f"{folder} is no folder")
    if unknown := [part for part in options.parts if part not in LIMITS]:
        parser.error(f"--parts names {unknown[0]!r}; wanted some of {', '.join(LIMITS)}")
    return options


def main() -> int:
    """Measure, and say where the tables are. Returns 1 where a row is neither ok nor of another device."""
    options = read_options()
    size = SMOKE if options.smoke else Size()
    rows = [row for row in plan(size, options.device) if row.part in options.parts]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    header = {"began": now, "asked for": options.device, "smoke": options.smoke}
    table, folder = Table(rows, options.out.absolute(), header), Path(tempfile.mkdtemp(prefix="ganbench-gpu-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    prepare(folder, dict(size.environment))
    try:
        measure(table, folder, options.wheels and options.wheels.absolute(), size.patience)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"tables: {options.out / 'gpu.json'}, {options.out / 'gpu.md'}")
    return 0 if all(row.status in GOOD for row in table.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
