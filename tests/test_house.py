"""The rules of the house: imports run one way, first-party plugins see only the public names, nothing is pickled."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import requires
from pathlib import Path

import ganbench_objectives
import pytest
from packaging.requirements import Requirement

import ganbench

PACKAGE = Path(ganbench.__file__).parent
PLUGINS = Path(ganbench_objectives.__file__).parent
ROOT = Path(__file__).parent.parent
MODULES = sorted(
    [*PLUGINS.rglob("*.py"), *(ROOT / "plugins").glob("*/ganbench_*.py")]
)  # with those of other distributions

# Every module belongs to one layer, and imports only from its own and the ones before.
LAYERS = {
    "words": ["errors", "paths", "trials", "schema", "streams", "request"],
    "mathematics": [
        "objective", "losses", "draws", "vectorise", "pruning", "compilation", "quickened", "tracing", "capture",
        "arithmetic", "isolation", "transfer", "flops", "readings", "measured", "dataset",
        "protocol_text", "networks",
        "distributions", "fidelity", "metrics", "statistics", "shifts", "exhibits",
    ],
    "the loop": [
        "feed", "players", "passes", "programs", "cohort", "pace", "training", "evaluation", "sampling", "record",
        "snapshots", "probing",
    ],
    "edges": [
        "hookspecs", "plugin_files", "admission", "plugins",
        "components", "provenance", "evaluators", "datasets", "files", "records", "durable", "results",
        "store",
        "locks", "scratch", "integrity", "checkpoints", "floors", "executor",
        "figures",
    ],
    "use": [
        "references", "study", "tables", "surroundings", "failures", "fitting", "trainer",
        "outcomes", "execution", "reevaluation", "executors", "builtin", "tries", "rerun", "summary",
        "listing", "scores", "leaderboard", "comparison", "formats",
        "notification", "claims", "reproduction", "report", "testing", "commands", "cli", "__main__",
    ],
}  # fmt: skip
RANK = {module: rank for rank, modules in enumerate(LAYERS.values()) for module in modules}


def unit_of(path):
    """The module, or the package, directly below ganbench/ that a file belongs to."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports_of(path):
    """The ganbench modules that a file imports, at any depth, except for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganbench":
            rest = node.module.split(".")[1:]
            yield from rest[:1] or [n.name for n in node.names if n.name in RANK]
        elif isinstance(node, ast.Import):
            yield from (n.name.split(".")[1] for n in node.names if n.name.startswith("ganbench."))


FILES = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]


def test_every_module_has_a_layer():
    assert {unit_of(p) for p in FILES} <= set(RANK)


@pytest.mark.slow
def test_imports_run_one_way():
    pairs = {(unit_of(path), imported) for path in FILES for imported in imports_of(path)}
    assert len(pairs) > 100
    assert not [(unit, imported) for unit, imported in pairs if RANK[imported] > RANK[unit]]


def test_there_is_no_circle():
    graph = {}
    for path in FILES:
        graph.setdefault(unit_of(path), set()).update(set(imports_of(path)) - {unit_of(path)})
    assert list(TopologicalSorter(graph).static_order())


def test_first_party_plugins_see_only_the_public_names():
    assert {"ganbench_spectral.py", "ganbench_tensorboard.py"} <= {path.name for path in MODULES}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "ganbench":
                assert {n.name for n in node.names} <= set(ganbench.__all__), path
            elif isinstance(node, ast.ImportFrom | ast.Import):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
                assert not any(n.startswith("ganbench.") or n == "ganbench" for n in names), path


def test_an_objective_is_a_short_file():
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in PLUGINS.glob("*.py")}
    assert len(lines) > 20
    assert not {name: n for name, n in lines.items() if n >= 60}


def test_the_wheel_holds_no_other_distribution():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"] == {"packages": ["ganbench", "plugins/ganbench_objectives"]}


PRESENT = [
    ("2.11.0", "0.26.0"),
    ("2.11.0+cpu", "0.26.0+cpu"),
    ("2.12.1+cu130", "0.27.1+cu130"),
    ("3.0.0a0+git1", "1.0"),
]


@pytest.mark.parametrize(("torch", "torchvision"), PRESENT)
def test_installing_keeps_a_pytorch_that_is_there(torch, torchvision):
    """Of any build, from the oldest version that is supported on; no other dependency asks for another one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {r.name: r for r in map(Requirement, project["project"]["dependencies"])}
    for name, version in (("torch", torch), ("torchvision", torchvision)):
        assert wanted[name].url is None
        assert wanted[name].specifier.contains(version, prereleases=True)
    assert not {"sources", "index"} & set(project.get("tool", {}).get("uv", {}))
    for name in set(wanted) - {"torchvision"}:  # which belongs to one version of torch
        for needed in map(Requirement, requires(name) or ()):
            if needed.name in ("torch", "torchvision") and (
                needed.marker is None or needed.marker.evaluate({"extra": ""})
            ):
                present = torch if needed.name == "torch" else torchvision
                assert needed.specifier.contains(present, prereleases=True), f"{name} asks for {needed}"


def test_every_public_name_is_there_and_has_a_docstring():
    for name in ganbench.__all__:
        value = getattr(ganbench, name)
        assert name == "__version__" or value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ganbench.nonsense


def test_importing_ganbench_and_asking_for_help_imports_nothing_heavy():
    code = (
        "import sys, ganbench.cli\n"
        "try:\n    ganbench.cli.app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'numpy', 'sklearn', 'pluggy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
PICKLES = re.compile(r"\b(torch\.save|allow_pickle=True|read_pickle|to_pickle)\b")
MAGIC = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def test_nothing_is_pickled():
    for path in [*FILES, *MODULES]:
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not {name.partition(".")[0] for name in imported} & PICKLERS, path
        assert not PICKLES.search(text), path
        assert text.count("torch.load(") == text.count("weights_only=True"), path  # which refuses all but tensors


def test_no_shipped_file_is_a_pickle_or_an_archive():
    files = [p for root in (PACKAGE, PLUGINS) for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert len(files) > 200
    assert not [p for p in files if p.read_bytes().startswith(MAGIC)]


@pytest.mark.slow
def test_functions_are_short():
    nodes = [(path, node) for path in FILES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    lines = {(path.name, n.name): n.end_lineno - n.lineno + 1 for path, n in nodes if isinstance(n, ast.FunctionDef)}
    assert len(lines) > 1000
    assert not {where: n for where, n in lines.items() if n > 50}


def test_mathematics_opens_no_file_and_prints_nothing():
    for unit in LAYERS["mathematics"] + LAYERS["the loop"]:
        for path in [PACKAGE / f"{unit}.py", *(PACKAGE / unit).rglob("*.py")]:
            if path.exists() and unit != "fidelity":
                calls = [
                    n.func for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
                ]
                named = {c.id for c in calls if isinstance(c, ast.Name)}
                assert not named & {"print", "open", "input"}, path


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert importlib.import_module("ganbench").__version__ == version("ganbench")
