"""Hashes of what a small study, one claim and an export hold, to compare two versions of the code.

python tools/golden.py > before.json          # at the old version
python tools/golden.py --against before.json  # at the new one; exit status 1 where a hash differs

Wall-clock columns are left out, and so are the addresses of trials, which depend on how their code is identified.
Programs are not compiled, so that the numbers depend on the code and PyTorch alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

KEYS = ["dataset", "architecture", "objective", "seed"]
TABLES = ("steps", "evaluations", "modes", "probes")
STUDY = (
    "run", "--quick", "--objectives", "gan,wgan,wgan-gp,lecam", "--datasets", "ring,digits", "--compile", "off",
    "--device", "cpu",
)  # fmt: skip
CLAIM = ("reproduce", "--claims", "parallel-lines-js-flat-w-linear")


def ganbench(*words: str) -> None:
    """Run a command of ganbench; its output goes to standard error."""
    subprocess.run([sys.executable, "-m", "ganbench", *words], check=True, stdout=sys.stderr)


def digest(table: pd.DataFrame) -> str:
    """Hash of a table's columns, types and values, without wall-clock times and addresses."""
    table = table.drop(columns=[name for name in table.columns if "seconds" in name or name == "trial"])
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """By the name of a table, the hash of what it holds."""
    study, claim, export = folder / "study", folder / "claim", folder / "export.csv"
    ganbench(*STUDY, "--out", str(study))
    found = {}
    for name in TABLES:
        files = sorted(study.glob(f"trials/*/{name}.parquet"))
        table = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
        found[name] = digest(table.sort_values(KEYS, kind="stable"))
    ganbench("export", str(study), "--format", "csv", "--out", str(export))
    found["export"] = digest(pd.read_csv(export))
    ganbench(*CLAIM, "--out", str(claim))
    found["verdicts"] = digest(pd.read_parquet(claim / "verdicts.parquet"))
    return found


def main() -> int:
    """Print the hashes, or compare them with printed ones."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, help="a file that this script printed")
    against = parser.parse_args().against
    with tempfile.TemporaryDirectory() as folder:
        found = hashes(Path(folder))
    print(json.dumps(found, indent=1))
    differing = [k for k, v in json.loads(against.read_text()).items() if found.get(k) != v] if against else []
    if differing:
        print(f"these differ from {against}: {', '.join(differing)}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
