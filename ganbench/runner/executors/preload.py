"""Imported once by the server that cohort processes are forked from: they share its memory and skip its import time."""

import atexit
import gc
from importlib import import_module

from ganbench.plugins.registry import load_plugins
from ganbench.study.provenance import source_hashes

NEEDED = (
    "pandas",
    "pyarrow.parquet",
    "scipy.linalg",
    "sklearn.datasets",
    "torch.fx.experimental.proxy_tensor",
    "torch_fidelity",
    "ganbench.runner.cohort_run",
    "ganbench.metrics.distances",
)

gc.disable()  # a million objects come to stay: to look through them again and again is a tenth of the time
for name in NEEDED:
    import_module(name)
source_hashes(load_plugins().plugins)  # remembered: of the files that have just been imported
gc.enable()
gc.freeze()  # the collector then leaves these objects alone, and the pages that they lie on stay shared
atexit.register(gc.unfreeze)
