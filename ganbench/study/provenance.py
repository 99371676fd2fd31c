"""What a result was made with: versions, source, plugins, device, settings of PyTorch."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.errors import UsageError

if TYPE_CHECKING:
    from ganbench.plugins.loading import Plugin
    from ganbench.plugins.registry import Catalogue, PluginRegistry
    from ganbench.spec import Component

RECORDED = ("ganbench", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "torch-fidelity", "POT", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python, of what the numbers depend on, and of every distribution with a plugin."""
    from ganbench.interfaces.hookspecs import PROJECT

    plugins = {e.dist.name for e in entry_points(group=PROJECT) if e.dist is not None}
    installed = {name: _version(name) for name in sorted({*RECORDED, *plugins})}
    return {"python": platform.python_version(), **installed}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def source_hashes(plugins: Iterable[Plugin]) -> dict[str, str]:
    """Hashes of the source files of ganbench and of the plugins that workers load, by distribution.

    A plugin in one file is left out, as workers are given its text; so is one that only follows a run.
    """
    followers = {"ganbench_trial_finished", "ganbench_executors"}
    loaded = [p for p in plugins if p.state == "loaded" and not p.file and not followers.issuperset(p.hooks)]
    return {name: source_hash(name) for name in sorted({"ganbench", *(p.distribution for p in loaded)})}


def check_source_hashes(expected: Mapping[str, str]) -> None:
    """Raises UsageError where this process has other code than the one that computed ``source_hashes``."""
    differing = [name for name, digest in expected.items() if source_hash(name) != digest]
    if differing:
        raise UsageError(
            f"{', '.join(differing)} on {platform.node()} (Python in {sys.prefix}) has other source files than where "
            "the run began: install the same version on every machine, and do not edit it while a run goes on"
        )


@functools.cache  # of the files as they were when this process imported them
def source_hash(name: str) -> str:
    """A hash of the names and contents of a distribution's Python files; the same wherever they are installed."""
    digest = hashlib.blake2b(digest_size=8)
    for place, file in sorted(dict(_source_files(name)).items()):
        digest.update(place.encode() + b"\0" + hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(name: str) -> Iterator[tuple[str, Path]]:
    """Python files of a distribution and their paths below where they are installed.

    Of packages behind entry points, those that Python would import: an editable installation lists none of its files.
    """
    entries = [e for e in entry_points(group="ganbench") if e.dist is not None and e.dist.name == name]
    packages = {e.module.partition(".")[0] for e in entries}
    with suppress(PackageNotFoundError):
        for file in distribution(name).files or ():
            path, top = Path(str(file.locate())), file.parts[0].removesuffix(".py")
            if file.suffix == ".py" and top not in packages and not top.startswith("__editable__") and path.is_file():
                yield file.as_posix(), path
    for package in packages:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            below = Path(folder)
            yield from ((f"{package}/{f.relative_to(below).as_posix()}", f) for f in below.rglob("*.py"))
        if spec is not None and spec.origin is not None and not spec.submodule_search_locations:
            yield Path(spec.origin).name, Path(spec.origin)


def source() -> dict[str, Any]:
    """The git commits of ganbench's own checkout and of the working directory; None where there is no repository."""
    return {"ganbench": _git(Path(__file__).parent), "directory": _git(Path.cwd())}


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and dirty flag of the repository that a folder belongs to. Nothing is written, no hook of it is run."""
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if commit is None or (_ask_git(folder, "ls-files", ".") or "") == "":  # a repository that ignores this folder
        return None
    changes = _ask_git(folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _ask_git(folder: Path, *question: str) -> str | None:
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *question]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, env=outside)
    except (OSError, subprocess.SubprocessError, ValueError):  # no git, no repository, or one that is not trusted
        return None
    return done.stdout.strip()


def loaded(plugins: Iterable[Plugin]) -> list[dict[str, str]]:
    """Every plugin with its distribution, its version and how it fared; a file with its path."""
    columns = ("name", "distribution", "version", "state", "file")
    return [{name: asdict(plugin)[name] for name in columns if name != "file" or plugin.file} for plugin in plugins]


def origins(registry: PluginRegistry, components: Iterable[Component]) -> dict[str, dict[str, str]]:
    """Where components come from, by kind and name: distribution, version and, of a plugin in a file, its path."""
    kinds = {"dataset": registry.datasets, "architecture": registry.architectures, "objective": registry.objectives}
    plugins = {plugin.distribution: plugin for plugin in registry.plugins}
    records = {}
    for component in components:
        catalogue: Catalogue[Any] = kinds[component.kind]
        plugin = plugins[catalogue.origin(catalogue.find(component.name))]
        file = {"file": plugin.file} if plugin.file else {}
        records[f"{component.kind} {component.name}"] = {
            "distribution": plugin.distribution, "version": plugin.version, **file
        }  # fmt: skip
    return records


def machine() -> dict[str, Any]:
    """CUDA, the processor's instruction set and the settings that decide whether numbers can be repeated to the bit."""
    import torch

    from ganbench.plugins.isolation import convolution_tf32, matmul_precision

    return {
        "platform": platform.platform(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_precision": matmul_precision(),
        "cudnn_tf32": convolution_tf32(),
        "interop_threads": torch.get_num_interop_threads(),
    }
