"""All numbers of a study, and whether two studies have the same."""

import pandas as pd

import ganbench


def tables(out, objectives=None):
    """All numbers of some objectives, or of all, in an order that does not depend on the way that they were run."""
    results = ganbench.load(out)
    found = (
        results.steps.drop(columns="seconds").sort_values(["trial", "step"], ignore_index=True),
        results.evaluations.sort_values(["trial", "step", "metric"], ignore_index=True),
        results.modes.sort_values(["trial", "step", "mode"], ignore_index=True),
        results.probes.sort_values(["trial", "generator_step", "critic_step"], ignore_index=True),
        results.trials[["trial", "seed", "status", "last_step", "error"]].sort_values("trial", ignore_index=True),
    )
    if objectives is None:
        return found
    trials = results.trials.loc[results.trials["objective"].isin(objectives), "trial"]
    return [t[t["trial"].isin(trials)].reset_index(drop=True) for t in found]


def same(one, other):
    """Compares two studies' tables, to the bit."""
    for mine, theirs in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
