"""Recorded programs, compiled: PyTorch's compiler makes one kernel of what stands between two matrix products.

Compiling changes nothing but rounding, and a seed's numbers stay the same in any company: the kernels that it writes
run in one thread, since several would share out a sum in a way that depends on how many seeds there are.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import torch

from ganbench.errors import UsageError

OPTIONS: dict[str, Any] = {"cpp.threads": 1, "compile_threads": 1}


def compiled(program: Callable[..., Any]) -> Callable[..., Any]:
    """A recorded program, compiled when it is first called, for these shapes alone.

    On a processor this needs a C++ compiler; what it writes is kept in the folder that TORCHINDUCTOR_CACHE_DIR names,
    by default one in the system's temporary folder, so that compiling the same program again is quicker.
    """
    quick: Callable[..., Any] = torch.compile(program, dynamic=False, fullgraph=True, options=OPTIONS)
    return quick


def missing_compiler() -> str:
    """The C++ compiler that PyTorch would look for and not find here; empty where it is there."""
    name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return "" if shutil.which(name) else name


def require_compiler() -> None:
    """Raises UsageError where there is no C++ compiler."""
    if lacks := missing_compiler():
        raise UsageError(f"--compile on needs a C++ compiler, and there is no {lacks} here; install it or say auto")
