"""TensorBoard event files of every trial that ends: readings, metrics and probes as scalars, settings as text.

TensorBoard, and PyTorch with it, are imported when the first trial ends, so that ``ganbench --help`` stays quick.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

from ganbench import hookimpl

KEYS = ("trial", "dataset", "architecture", "objective", "seed")
CLOCKS = ("step", "generator_step", "critic_step")


@hookimpl
def ganbench_trial_finished(trial, tables, folder):
    """Write the trial's event file, and remove the one that an earlier attempt left."""
    from torch.utils.tensorboard import SummaryWriter

    place = place_of(trial, folder)
    earlier = list(place.glob("events.out.tfevents.*"))
    with SummaryWriter(str(place)) as writer:
        write_steps(writer, tables["steps"], began=time.time() - trial["wall_seconds"])
        write_evaluations(writer, tables["evaluations"])
        write_probes(writer, tables["probes"])
        write_settings(writer, trial, last_values(tables["evaluations"]))
    for file in earlier:
        file.unlink()


def place_of(trial, folder):
    """The folder of a trial's event file: below ``GANBENCH_TENSORBOARD``, or beside the results."""
    chosen = os.environ.get("GANBENCH_TENSORBOARD")
    return (Path(chosen) if chosen else Path(folder) / "tensorboard") / trial["trial"]


def write_steps(writer, steps, began):
    """Every reading of every step, at the time when the step was made."""
    for name in steps.columns.difference([*KEYS, *CLOCKS, "seconds"]):
        for step, seconds, value in zip(steps["step"], steps["seconds"], steps[name], strict=True):
            writer.add_scalar(f"steps/{name}", value, step, walltime=began + seconds)


def write_evaluations(writer, evaluations):
    """Every metric by its protocol, which is its whole definition: different ones never share a chart."""
    for row in evaluations.itertuples():
        writer.add_scalar(f"evaluations/{row.protocol}", row.value, row.step)


def write_probes(writer, probes):
    """What each frozen generator's fresh critic went through, by the critic's own steps."""
    for row in probes.drop(columns=[*KEYS]).to_dict("records"):
        for name in row.keys() - set(CLOCKS):
            writer.add_scalar(f"probes/{row['generator_step']}/{name}", row[name], row["critic_step"])


def last_values(evaluations):
    """Each metric's value at the last step that it was computed at, by protocol."""
    last = evaluations.sort_values("step", kind="stable").groupby("protocol").tail(1)
    return dict(zip(last["protocol"], last["value"], strict=True))


def write_settings(writer, trial, values):
    """The trial's row and its settings as text, and as what the HPARAMS tab compares."""
    from torch.utils.tensorboard.summary import hparams

    settings = json.loads(trial["settings"])
    rows = "\n".join(f"| {name} | {value} |" for name, value in trial.items() if name not in ("settings", "versions"))
    writer.add_text("trial", f"| | |\n|---|---|\n{rows}")
    writer.add_text("settings", f"```json\n{json.dumps(settings, indent=1)}\n```")
    named = {name: trial[name] for name in (*KEYS[1:], "status", "device")} | flat(settings)
    finite = {f"evaluations/{name}": value for name, value in values.items() if math.isfinite(value)}
    for summary in hparams(named, finite):
        writer.file_writer.add_summary(summary)


def flat(values, prefix=""):
    """Nested settings as one level of numbers, truth values and text, by dotted names."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return found
