"""Where the repository and the packages under test are."""

from pathlib import Path

import ganbench

ROOT = Path(__file__).parents[1]
ROOTS = [str(Path(ganbench.__file__).parents[1]), str(Path(ganbench.__file__).parents[1] / "plugins")]  # to import from
