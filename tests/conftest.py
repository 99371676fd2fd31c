"""What all tests share: one thread, no plugins of the developer's own, a home that is thrown away."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _isolated(tmp_path, monkeypatch):
    """No test reads the user's caches or plugins, none leaves files behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GANBENCH_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
