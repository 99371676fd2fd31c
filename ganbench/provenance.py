"""What a result was made with: versions, source, plugins, device, settings of PyTorch."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganbench.plugins import Offers, Plugin, Registry
    from ganbench.trials import Component

RECORDED = ("ganbench", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "torch-fidelity", "POT", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python, of what the numbers depend on, and of every distribution with a plugin."""
    from ganbench.hookspecs import PROJECT

    plugins = {e.dist.name for e in entry_points(group=PROJECT) if e.dist is not None}
    found = {name: _version(name) for name in sorted({*RECORDED, *plugins})}
    return {"python": platform.python_version(), **found}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


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
    wanted = ("name", "distribution", "version", "state", "file")
    return [{name: asdict(plugin)[name] for name in wanted if name != "file" or plugin.file} for plugin in plugins]


def origins(registry: Registry, components: Iterable[Component]) -> dict[str, dict[str, str]]:
    """Where components come from, by kind and name: distribution, version and, of a plugin in a file, its path."""
    kinds = {"dataset": registry.datasets, "architecture": registry.architectures, "objective": registry.objectives}
    plugins = {plugin.distribution: plugin for plugin in registry.plugins}
    found = {}
    for component in components:
        offers: Offers[Any] = kinds[component.kind]
        plugin = plugins[offers.origin(offers.find(component.name))]
        file = {"file": plugin.file} if plugin.file else {}
        found[f"{component.kind} {component.name}"] = {
            "distribution": plugin.distribution, "version": plugin.version, **file
        }  # fmt: skip
    return found


def machine() -> dict[str, Any]:
    """CUDA, the processor's instruction set and the settings that decide whether numbers can be repeated to the bit."""
    import torch

    return {
        "platform": platform.platform(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        "interop_threads": torch.get_num_interop_threads(),
    }
