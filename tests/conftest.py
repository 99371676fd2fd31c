"""What all tests share: tiers, one thread, no plugins of the developer's own, a home that is removed."""

import os
import signal
import socket
import sys
import textwrap
from importlib.metadata import Distribution, EntryPoint

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from tiers import pytest_collection_modifyitems, pytest_configure, pytest_runtest_protocol  # noqa: F401

from ganbench.cli import app

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # else a suite in the background hands on a deaf ear


@pytest.fixture(autouse=True)
def _isolated(tmp_path, monkeypatch):
    """No test reads the user's caches or plugins, none leaves files behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GANBENCH_PLUGINS", raising=False)
    monkeypatch.setenv("MPLCONFIGDIR", "")  # `report` sets it where it is not set: remembered here as absent,
    monkeypatch.delenv("MPLCONFIGDIR")  # so that no later test inherits this test's folder
    monkeypatch.chdir(tmp_path)


HERE = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Sockets lead nowhere but to this machine."""
    connect = socket.socket.connect

    def checked(self, address):
        assert self.family == getattr(socket, "AF_UNIX", None) or address[0] in HERE, f"a test asked for {address}"
        return connect(self, address)

    def resolved(host, *args, **kwargs):
        assert host in HERE or host is None, f"a test asked for {host}"
        return look_up(host, *args, **kwargs)

    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a command in this process; gives exit code, standard output and standard error."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["ganbench", *map(str, args)])
        code = 0
        try:
            app.main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


class Dist(Distribution):
    """A distribution that exists in memory only."""

    def __init__(self, name, requires=()):
        self._name, self._requires = name, list(requires)

    @property
    def metadata(self):
        return {"Name": self._name, "Version": "1.0"}

    name = property(lambda self: self._name)
    version = "1.0"
    requires = property(lambda self: self._requires)

    def read_text(self, filename):
        return None

    def locate_file(self, path):
        raise NotImplementedError


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """Makes an entry point of a distribution out of a module's source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(dist, source, name="plugin", requires=()):
        module = f"third_party_{dist.replace('-', '_')}_{name}"
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        made.append(module)
        return EntryPoint(name, module, "ganbench")._for(Dist(dist, requires))

    yield make
    for module in made:
        sys.modules.pop(module, None)
