import pandas as pd

from ganbench.analysis.scores import dominant_protocol, missing_reasons, summarise
from ganbench.store import schema
from ganbench.store.results import Results, typed


def table(columns, rows):
    blank = {c: "" if t == "str" else 0 for c, t in columns.items()}
    return typed(pd.DataFrame([{**blank, **row} for row in rows], columns=list(columns)), columns)


def test_a_case_that_can_be_counted_by_hand():
    keys = {"dataset": "ring", "architecture": "mlp"}
    status = {"a0": "completed", "a1": "completed", "a2": "diverged", "b0": "failed"}
    trials = [{**keys, "trial": t, "objective": t[0], "status": s} for t, s in status.items()]
    evaluations = [
        {**keys, "trial": "a0", "step": 0, "metric": "fid", "value": 99.0},
        {**keys, "trial": "a0", "step": 9, "metric": "fid", "value": 1.0},
        {**keys, "trial": "a1", "step": 9, "metric": "fid", "value": 3.0},
        {**keys, "trial": "a2", "step": 9, "metric": "fid", "value": 1000.0},
        {**keys, "trial": "a0", "step": 9, "metric": "modes", "value": 7.0},
    ]
    steps = [{**keys, "trial": "a0", "generator_grad_norm": v} for v in (1.0, 2.0, 30.0)]
    results = Results(
        *(table(c, r) for c, r in ((schema.TRIALS, trials), (schema.STEPS, steps), (schema.EVALUATIONS, evaluations))),
        table(schema.MODES, []),
        table(schema.PROBES, []),
        table(schema.FLOORS, []),
    )
    assert summarise(results, list(status)) == {
        "ring · mlp": [
            ("a", "3", "2", "1", "0", "7 (7 to 7)", "2 (1 to 3)", "2"),
            ("b", "1", "0", "0", "1", "–", "–", "–"),
        ]
    }
    assert summarise(results, ["b0"]) == {"ring · mlp": [("b", "1", "0", "0", "1", "–", "–", "–")]}


def test_values_of_different_protocols_never_mix():
    rows = [
        {"trial": "a", "metric": "fid", "value": 1.0, "protocol": "fid@x/100"},
        {"trial": "b", "metric": "fid", "value": 2.0, "protocol": "fid@x/100"},
        {"trial": "b", "metric": "fid", "value": 9.0, "protocol": "fid@x/50"},
        {"trial": "c", "metric": "fid", "value": float("nan"), "protocol": "fid@x/50", "reason": "why"},
        {"trial": "c", "metric": "kid", "value": 5.0, "protocol": "kid@x/50"},
    ]
    evaluations = table(schema.EVALUATIONS, rows)
    assert dominant_protocol(evaluations, "fid")["value"].tolist() == [1, 2]
    assert dominant_protocol(evaluations, "w1").empty


def test_every_reason_is_said_once():
    rows = [
        {"trial": t, "dataset": "ring", "metric": m, "value": value, "protocol": f"{m}@x/50", "reason": reason}
        for t in "ab"
        for m, value, reason in (
            ("fid", float("nan"), "no weights"),
            ("modes", float("nan"), "no weights"),
            ("w1", float("nan"), "w1 (exact) failed"),
            ("kid", 1.0, ""),
        )
    ]
    assert missing_reasons(table(schema.EVALUATIONS, rows)) == [
        "fid, modes of 2 ring trials could not be computed: no weights",
        "w1 of 2 ring trials could not be computed: w1 (exact) failed",
    ]
    assert missing_reasons(table(schema.EVALUATIONS, [])) == []
