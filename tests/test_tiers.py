"""Tiers and time limits of the tests themselves, in a small suite with the same hooks and settings."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SUITE = """
import itertools, time
import pytest

def test_plain():
    pass

@pytest.mark.slow
def test_slow():
    pass

@pytest.mark.soak
def test_soak():
    pass

@pytest.mark.timeout(1)
def test_sleeps():
    time.sleep(60)

@pytest.mark.timeout(1)
def test_never_leaves_native_code():
    sum(itertools.repeat(0))
"""


@pytest.fixture
def run(tmp_path):
    shutil.copy(HERE / "tiers.py", tmp_path / "conftest.py")
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)

    def start(suite, *args):
        (tmp_path / "test_it.py").write_text(suite)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "-o",
            "testpaths=.",
            "-q",
            *args,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)

    return start


@pytest.mark.slow
def test_every_test_is_in_one_tier_and_quick_is_the_default(run):
    def collected(*args):
        return {
            line.partition("::")[2] for line in run(SUITE, "--collect-only", *args).stdout.splitlines() if "::" in line
        }

    by_default = collected()
    assert by_default == {"test_plain", "test_sleeps", "test_never_leaves_native_code"}
    assert by_default == collected("-m", "quick")
    assert (collected("-m", "slow"), collected("-m", "soak")) == ({"test_slow"}, {"test_soak"})
    assert len(collected("-m", "")) == 5
    done = run(SUITE.replace("@pytest.mark.soak", "@pytest.mark.soak\n@pytest.mark.slow"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR


@pytest.mark.slow
def test_a_test_that_hangs_is_ended_and_its_stack_is_printed(run):
    suite = SUITE.replace("import pytest", "import conftest, pytest\nconftest.MARGIN = 1")
    done = run(suite, "-k", "sleeps or plain")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "time.sleep(60)" in done.stdout
    done = run(suite, "-k", "native")
    assert done.returncode != 0
    assert "in test_never_leaves_native_code" in done.stderr
