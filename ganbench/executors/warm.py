"""Imported once by the server that cohort processes are forked from: they share its memory and skip its import time."""

import atexit
import gc

import pandas as pd  # noqa: F401
import pyarrow.parquet  # noqa: F401
import scipy.linalg  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch.fx.experimental.proxy_tensor  # noqa: F401
import torch_fidelity  # noqa: F401

import ganbench.execution
import ganbench.fidelity  # noqa: F401
from ganbench.plugins import load_plugins

load_plugins()
gc.freeze()  # the collector then leaves these objects alone, and the pages that they lie on stay shared
atexit.register(gc.unfreeze)
