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
from places import ROOT

import ganbench

PACKAGE = Path(ganbench.__file__).parent
PLUGINS = Path(ganbench_objectives.__file__).parent
MODULES = sorted(
    [*PLUGINS.rglob("*.py"), *(ROOT / "plugins").glob("*/ganbench_*.py")]
)  # with those of other distributions

# A package imports from itself and from those before it; modules of the top level from each other.
TOP = ("errors", "rng", "spec")
ORDER = (
    *TOP, "interfaces", "plugins", "metrics", "networks", "datasets", "engine", "store", "study", "runner", "analysis",
    "testing", "claims", "report", "cli",
)  # fmt: skip
ANYTHING = ("builtin", "__main__", "__init__")  # may import whatever they like
RANK = {unit: max(rank, len(TOP) - 1) for rank, unit in enumerate(ORDER)}


def unit_of(path):
    """The module, or the package, directly below ganbench/ that a file belongs to."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports_of(path):
    """Dotted names of the modules of ganbench that a file imports, at any depth; not those for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganbench":
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in NAMES else node.module
        elif isinstance(node, ast.Import):
            yield from (n.name for n in node.names if n.name.startswith("ganbench"))


FILES = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]


NAMES = {
    ".".join(("ganbench", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): p for p in FILES
}


def test_every_package_has_its_place_in_the_order():
    assert {unit_of(p) for p in FILES} == {*ORDER, *ANYTHING} - {"__init__"}


@pytest.mark.slow
def test_imports_run_one_way():
    pairs = {(unit_of(path), name.split(".")[1]) for path in FILES for name in imports_of(path) if "." in name}
    assert len(pairs) > 50
    assert not [(unit, other) for unit, other in pairs if unit in RANK and RANK.get(other, 99) > RANK[unit]]


def test_there_is_no_circle():
    graph = {name: set(imports_of(path)) - {name, "ganbench"} for name, path in NAMES.items()}
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
    with pytest.raises(AttributeError) as caught:
        _ = ganbench.nonsense
    assert caught.value.name == "nonsense"


def test_importing_ganbench_and_asking_for_help_imports_nothing_heavy():
    code = (
        "import sys, ganbench.cli.app\n"
        "try:\n    ganbench.cli.app.app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pydantic', 'pandas', 'matplotlib', 'numpy', 'sklearn', 'pluggy'} & set(sys.modules)\n"
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
    assert len(files) > 150
    assert not [p for p in files if p.read_bytes().startswith(MAGIC)]


@pytest.mark.slow
def test_functions_are_short():
    nodes = [(path, node) for path in FILES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    lines = {(path.name, n.name): n.end_lineno - n.lineno + 1 for path, n in nodes if isinstance(n, ast.FunctionDef)}
    assert len(lines) > 1000
    assert not {where: n for where, n in lines.items() if n > 50}


COMPUTATION = ("interfaces", "networks", "engine", "claims/exact", "metrics/modes.py", "metrics/neighbours.py",
               "metrics/transport.py", "metrics/checks.py", "metrics/suite.py", "analysis/statistics.py")  # fmt: skip


def test_computation_opens_no_file_and_prints_nothing():
    paths = [
        path
        for name in COMPUTATION
        for path in ([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py"))
    ]
    assert len(paths) > 35
    for path in paths:
        calls = [n.func for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not {c.id for c in calls if isinstance(c, ast.Name)} & {"print", "open", "input"}, path


def test_the_version_is_the_distributions():
    from importlib.metadata import version

    assert importlib.import_module("ganbench").__version__ == version("ganbench")
