"""Keeps one process from taking all of the machine's memory: it gets an error, and the others run on."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil

SHARE = 0.9  # of the memory that is free when a process begins
GROUP = Path("/sys/fs/cgroup")  # the container's own account, where there is one


def limit_memory() -> None:
    """Let allocations of this process fail when the machine's free memory is nearly used up. Linux only."""
    if sys.platform != "linux":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _data() + int(SHARE * available())
    limits = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))


def available() -> int:
    """Free memory in bytes, of the machine or of the container that this runs in."""
    free: int = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # no such account, or one without a limit ("max")
        free = min(free, int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    return max(free, 0)


def _data() -> int:
    """What this process has already, as the limit counts it."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(fields["VmData"].split()[0]) * 1024
