"""Studies of two short trials, not yet trained."""

from dataclasses import replace
from pathlib import Path

from ganbench.interfaces.executor import RunContext
from ganbench.plugins.registry import load_plugins
from ganbench.study.config import StudyConfig
from ganbench.study.study import make_study

REGISTRY = load_plugins()


SMALL = {"steps": 150, "batch_size": 8, "evaluate_every": 50, "n_samples": 60, "device": "cpu", "probe": False}


def study_of(out, registry=REGISTRY, **changes):
    request = StudyConfig(**{**SMALL, "objectives": ("gan",), "datasets": ("ring",), "seeds": (0, 1), **changes})
    study = make_study(replace(request, out=str(out)), registry, Path("nowhere"))
    study.store().begin({"command": "test"})
    return study, RunContext(str(out), "nowhere", "cpu", threads=1)
