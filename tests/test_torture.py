"""Kills at random moments, corrupt files and full disks: every run ends with the tables of an undisturbed one."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "torture.py"


@pytest.mark.soak
def test_kills_corrupt_files_and_full_disks_change_no_number(tmp_path):
    command = [sys.executable, str(SCRIPT), "--kills", "15", "--keep", str(tmp_path / "torture")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
