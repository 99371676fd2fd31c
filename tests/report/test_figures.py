"""What figures draw equals tables that can be counted by hand, read back from their Axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from reported import OBJECTIVES, floors_table, modes_table, probes_table, steps_table, trial

from ganbench.analysis.statistics import Interval
from ganbench.report.figures.architectures import draw_robustness
from ganbench.report.figures.estimates import draw_estimates, estimates_at, rank_correlations
from ganbench.report.figures.figure import Figure, Panel, compose
from ganbench.report.figures.final_scores import draw_final_scores
from ganbench.report.figures.gradients import draw_gradient_norms, median_over_seeds, norm_limits
from ganbench.report.figures.landscape import draw_landscape
from ganbench.report.figures.lines import thin
from ganbench.report.figures.modes import draw_modes, mode_matrix
from ganbench.report.figures.probe import draw_gradient_noise, draw_probe_accuracy, draw_probe_norms
from ganbench.report.figures.samples import draw_images, draw_points, image_grid
from ganbench.report.figures.style import COLOURS, ellipsize, log_axis, new_figure, number, plain_axis, style, styles
from ganbench.report.figures.training_curves import draw_course, with_clocks
from ganbench.report.figures.verdicts import draw_verdicts
from ganbench.report.sample_sets import Landscape

STYLES = styles(OBJECTIVES)


def axes():
    return new_figure(4.0, 3.0).add_subplot()


def lines(ax):
    """All thin curves: one array (points, 2) each."""
    return [s for c in ax.collections if isinstance(c, LineCollection) for s in c.get_segments()]


def marked(ax, label):
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return np.column_stack(found.get_data()).tolist()


def words(ax):
    legend = ax.get_legend()
    return [t.get_text() for t in legend.get_texts()] if legend else []


# -- colours and axes --------------------------------------------------------------------------------------------------


def test_an_objective_keeps_its_style_whatever_else_is_there():
    few, many = styles(["wgan", "gan"]), styles(["a", "gan", "wgan", "z", "nsgan", "noisegan", "wgan[clip=0.1]"])
    assert few["gan"] == many["gan"]
    assert few["wgan"] == many["wgan"]
    assert styles(["gan", "wgan"]) == few


def test_forty_two_objectives_look_different_and_the_palette_is_okabe_and_itos():
    assert len(set(styles(f"o{i:02d}" for i in range(42)).values())) == 42
    assert {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"} < set(COLOURS)


def test_a_long_name_keeps_its_ends():
    assert ellipsize("x" * 26) == "x" * 26
    text = ellipsize("begin" + "x" * 100 + "end", 12)
    assert len(text) == 12
    assert text.startswith("begin")
    assert text.endswith("end")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01, "0.01"), (2000, "2000"), (600_000, "600k"), (1e-5, "10⁻⁵"), (2e7, "2·10⁷"), (1e6, "10⁶")],
)
def test_numbers_on_axes_are_plain_text(value, text):
    assert number(value) == text


def test_a_logarithmic_axis_has_decades_or_one_two_five():
    for low, high, expected in [(0.9e-4, 1.1e2, "0.01"), (0.9, 12, "2")]:
        ax = axes()
        ax.set(ylim=(low, high))
        log_axis(ax.yaxis)
        ax.set(ylim=(low, high))
        ax.figure.draw_without_rendering()
        texts = [t.get_text() for t in ax.get_yticklabels()]
        assert expected in texts
        assert 2 <= len(texts) <= 12
    plain_axis(ax.xaxis)


def test_the_style_holds_within_and_leaves_nothing_behind():
    import matplotlib as mpl

    before = mpl.rcParams["svg.fonttype"], mpl.rcParams["text.parse_math"]
    with style():
        assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["text.parse_math"]) == ("path", False)
    assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["text.parse_math"]) == before


def test_thinning_keeps_short_curves_whole_and_of_long_ones_the_ends_and_all_extremes():
    x = np.arange(10.0)
    assert thin(x, x, 10)[0] is x
    y = np.zeros(100_000)
    y[[777, 50_001]] = 5, -7
    kept, values = thin(np.arange(100_000.0), y, 400)
    assert len(kept) <= 402
    assert {0.0, 777.0, 50_001.0, 99_999.0} <= set(kept)
    assert (values.max(), values.min()) == (5, -7)
    assert (np.diff(kept) > 0).all()
    assert len(thin(np.arange(1000.0), np.full(1000, np.nan), 10)[0]) >= 2


# -- gradients ---------------------------------------------------------------------------------------------------------


def gan(seeds=3, steps=4):
    """Seed s has the norms (s + 1) / step."""
    tables = pd.concat([steps_table(trial("gan", s), steps) for s in range(seeds)], ignore_index=True)
    rows = [{"trial": trial("gan", s).id, "status": "completed", "last_step": steps} for s in range(seeds)]
    return tables, pd.DataFrame(rows)


def draw_norms(steps, trials, ax=None):
    limits = norm_limits(steps["generator_grad_norm"])
    return draw_gradient_norms(steps, trials, "generator_grad_norm", STYLES["gan"], limits, ax or axes())


def test_every_seed_is_a_line_and_the_median_is_bold():
    steps, trials = gan()
    ax = draw_norms(steps, trials)
    drawn = sorted([line[:, 1].tolist() for line in lines(ax)])
    assert drawn == [[(s + 1) / n for n in (1, 2, 3, 4)] for s in range(3)]
    assert marked(ax, "_median") == [[n, 2 / n] for n in (1, 2, 3, 4)]
    assert ax.get_yscale() == "log"
    assert words(ax) == ["one seed", "median of 3 seeds"]


def test_exact_zeros_stand_at_the_lower_edge_and_are_counted():
    steps, trials = gan()
    steps.loc[(steps["seed"] == 0) & steps["step"].isin([2, 3]), "generator_grad_norm"] = 0.0
    steps.loc[(steps["seed"] == 1) & (steps["step"] == 3), "generator_grad_norm"] = 0.0
    ax = draw_norms(steps, trials)
    floor, _ = norm_limits(steps["generator_grad_norm"])
    assert floor < 0.25
    assert marked(ax, "_zeros") == [[2.0, floor], [3.0, floor]]
    assert "exactly 0: 3 of 12" in words(ax)
    assert marked(ax, "_median")[2] == [3.0, floor]  # the median of 0, 0 and 1
    assert ax.get_ylim()[0] < floor


def test_a_diverged_seed_ends_in_a_cross_at_its_last_step_even_beside_another():
    steps, trials = gan()
    for seed in (0, 1):
        last = (steps["seed"] == seed) & (steps["step"] == 3)
        steps.loc[last, "generator_grad_norm"] = [np.nan, np.inf][seed]
        steps = steps[(steps["seed"] != seed) | (steps["step"] <= 3)]
    trials.loc[[0, 1], ["status", "last_step"]] = "diverged", 3
    ax = draw_norms(steps, trials)
    assert marked(ax, "_diverged") == [[3.0, 0.5], [3.0, 1.0]]
    assert "diverges: 2 of 3" in words(ax)
    assert marked(ax, "_median")[2:] == [[3.0, 1.0], [4.0, 0.75]]  # of the one seed that is left


def test_the_median_is_over_the_seeds_that_have_the_step():
    x, y = median_over_seeds([(np.array([1.0, 2]), np.array([1.0, 2])), (np.array([2.0, 3]), np.array([4.0, np.nan]))])
    assert x.tolist() == [1, 2]
    assert y.tolist() == [1, 3]


@pytest.mark.parametrize("norms", [[], [0.0, 0.0], [np.nan], [np.inf], [1.0], [1e-30, 1e30]])
def test_there_are_limits_for_any_norms(norms):
    floor, top = norm_limits(norms)
    assert 0 < floor < top < np.inf
    assert all(floor < n <= top * 1.0001 for n in norms if 0 < n < np.inf)


def test_all_seeds_diverged_at_the_first_step_still_draws():
    steps, trials = gan(seeds=2, steps=1)
    steps["generator_grad_norm"] = np.nan
    trials["status"] = "diverged"
    ax = draw_norms(steps, trials)
    assert len(marked(ax, "_diverged")) == 2
    ax.figure.draw_without_rendering()


# -- courses -----------------------------------------------------------------------------------------------------------


def fids():
    """Two objectives, two seeds, three moments: gan 10, 6, 4 plus the seed; wgan half of that."""
    rows = [
        {"objective": o, "trial": f"{o}{s}", "step": step, "value": (v + s) * f}
        for o, f in (("gan", 1.0), ("wgan", 0.5)) for s in (0, 2) for step, v in ((0, 10.0), (5, 6.0), (10, 4.0))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_course_shows_seeds_medians_and_the_floor_with_its_error():
    floors = floors_table().query("metric == 'fid'")
    ax = draw_course(fids(), floors, STYLES, "step", "FID", True, axes())
    drawn = sorted(line.tolist() for line in lines(ax))
    assert [[0, 10], [5, 6], [10, 4]] in drawn
    assert len(drawn) == 4
    medians = {line.get_color(): line.get_ydata().tolist() for line in ax.lines if line.get_label() != "_floor"}
    assert medians == {STYLES["gan"].colour: [11, 7, 5], STYLES["wgan"].colour: [5.5, 3.5, 2.5]}
    assert set(marked(ax, "_floor")[0]) == {0, 1.5}
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((1.35, 1.65))
    assert words(ax) == ["gan", "wgan", "perfect sampler"]


def test_clocks_come_from_the_steps_and_are_zero_before_the_first():
    described = trial("gan", 0)
    steps = steps_table(described, 10)
    evaluations = pd.DataFrame({"trial": described.id, "step": [0, 5, 10], "value": [3.0, 2.0, 1.0]})
    found = with_clocks(evaluations, steps)
    assert found["samples_seen"].tolist() == [0, 40, 80]
    assert found["seconds"].tolist() == [0, 2.5, 5]
    ax = draw_course(found.assign(objective="gan"), floors_table().head(0), STYLES, "samples_seen", "FID", True, axes())
    assert lines(ax)[0].tolist() == [[0, 3], [40, 2], [80, 1]]


# -- the probe ---------------------------------------------------------------------------------------------------------


def probes():
    table = pd.concat([probes_table(trial(o, s)) for o in OBJECTIVES for s in range(3)], ignore_index=True)
    return table[table["generator_step"] == 5]


def test_the_probe_draws_every_seed_and_marks_zeros():
    ax = draw_probe_norms(probes(), STYLES, axes())
    assert len(lines(ax)) == 6
    floor, _ = norm_limits(probes()["generator_grad_norm"])
    assert sorted(line[-1, 1] for line in lines(ax)) == pytest.approx([floor] * 2 + [1e-3] * 4)
    assert ax.texts[0].get_text() == "▾ exactly 0: 2 of 24"
    medians = [line.get_ydata().tolist() for line in ax.lines if len(line.get_xdata()) == 4]
    assert medians == [pytest.approx([1, 0.1, 0.01, 0.001])] * 2


def test_accuracy_and_noise_are_drawn_as_they_are():
    ax = draw_probe_accuracy(probes(), STYLES, axes())
    assert lines(ax)[0].tolist() == [[0, 0.5], [1, 0.6], [10, 0.7], [100, 0.8]]
    ax = draw_gradient_noise(probes(), STYLES, axes())
    assert lines(ax)[0].tolist() == [[0, 1], [1, 2], [10, 3], [100, 4]]
    assert words(ax) == ["gan", "wgan"]


# -- ends --------------------------------------------------------------------------------------------------------------


def test_finals_show_every_finite_seed_the_mean_its_interval_and_how_trials_ended():
    values = pd.DataFrame({"objective": ["gan"] * 3 + ["wgan"] * 2, "value": [3.0, 4.0, np.inf, 1.0, 2.0]})
    intervals = {"wgan": Interval(1.5, 1.0, 2.0, 2, "m"), "gan": Interval(np.inf, 3.0, np.inf, 3, "m")}
    ax = draw_final_scores(
        values, intervals, {"wgan": "n = 2", "gan": "n = 3, 1 failed"}, STYLES, "FID", 0.5, True, axes()
    )
    points = np.concatenate([c.get_offsets() for c in ax.collections])
    assert sorted(points[:, 0].tolist()) == [1, 2, 3, 4]
    assert marked(ax, "_estimate") == [[1.5, 0.24]]
    ends = [line.get_xdata().tolist() for line in ax.lines if line.get_label() == "_interval"]
    assert ends[0] == [1, 2]
    assert ends[1] == [3, ax.get_xlim()[1]]  # an endless interval leaves the picture, with an arrow
    assert len(marked(ax, "_endless")) == 1
    assert [t.get_text() for t in ax.get_yticklabels()] == ["wgan\nn = 2", "gan\nn = 3, 1 failed"]


def test_finals_without_any_finite_value_still_draw():
    nothing = Interval(np.inf, np.inf, np.inf, 2, "m")
    values = pd.DataFrame({"objective": ["gan"] * 2, "value": [np.inf, np.inf]})
    ax = draw_final_scores(values, {"gan": nothing}, {"gan": "n = 2, 2 diverged"}, STYLES, "FID", np.nan, True, axes())
    ax.figure.draw_without_rendering()
    assert not [line for line in ax.lines if line.get_label() == "_estimate"]


def test_estimates_are_medians_of_the_window_before_each_evaluation():
    described = trial("gan", 0)
    steps = steps_table(described, 6).assign(estimate=[1.0, 9.0, 2.0, 8.0, 3.0, 7.0])
    evaluations = pd.DataFrame({"trial": described.id, "step": [0, 3, 6], "value": [30.0, 20.0, 10.0]})
    table = estimates_at(evaluations, steps, window=3)
    assert table["step"].tolist() == [3, 6]
    assert table["estimate"].tolist() == [2, 7]  # of 1 9 2 and of 8 3 7
    ax = draw_estimates(table, STYLES["gan"], "ρ = 1", "FID", "estimate", axes())
    assert lines(ax)[0].tolist() == [[20, 2], [10, 7]]
    assert words(ax)[-1] == "ρ = 1"


def test_rank_correlations_are_spearmans_one_a_trial_and_need_four_moments():
    rows = [("up", i, i, i**3) for i in range(4)] + [("down", i, i, -i) for i in range(4)] + [("few", 0, 1, 1)]
    table = pd.DataFrame(rows, columns=["trial", "step", "value", "estimate"])
    found = rank_correlations(table)
    assert found["up"] == pytest.approx(1)
    assert found["down"] == pytest.approx(-1)
    assert np.isnan(found["few"])


def test_robustness_shades_what_is_finite_and_writes_every_field():
    values = pd.DataFrame({"dcgan": [10.0, 1.0], "mlp": [np.inf, 100.0]}, index=["gan", "wgan"])
    notes = pd.DataFrame({"dcgan": ["a", "b"], "mlp": ["c", "d"]}, index=["gan", "wgan"])
    ax = draw_robustness(values, notes, lower_is_better=True, log=True, ax=axes())
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    shades = np.ma.filled(mesh.get_array().astype(float), np.nan).reshape(2, 2)
    assert shades == pytest.approx(np.log([[10, np.nan], [1, 100]]), nan_ok=True)
    assert [t.get_text() for t in ax.texts] == ["a", "c", "b", "d"]


# -- modes, samples, landscapes, verdicts ------------------------------------------------------------------------------


def test_the_heat_map_tells_held_lost_and_never_apart():
    table = modes_table(trial("gan", 4), [0, 10, 20], lost=20)
    table.loc[(table["step"] == 0) & (table["mode"] == 1), "captured"] = False  # not yet, then held, then lost
    assert mode_matrix(table).to_numpy().tolist() == [[1, 1, 1], [0, 1, 0]]
    ax = draw_modes(table, STYLES["gan"], axes())
    (mesh,) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert np.asarray(mesh.get_array()).reshape(2, 3).tolist() == [[1, 1, 1], [0, 1, 2]]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["seed 4"]


@pytest.mark.slow
def test_very_many_modes_become_the_share_of_seeds_that_hold_them():
    tables = [modes_table(trial("gan", s), [0, 10], lost=10 if s < 25 else 20) for s in range(100)]
    ax = draw_modes(pd.concat(tables), STYLES["gan"], axes())
    (mesh, *_) = [c for c in ax.collections if isinstance(c, QuadMesh)]
    assert np.asarray(mesh.get_array()).reshape(2, 2).tolist() == [[1, 1], [1, 0.75]]


def test_a_grid_lays_images_in_rows_a_pixel_apart():
    images = np.stack([np.full((1, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    found = image_grid(images, columns=2)
    assert found.shape == (5, 5)
    assert found[0].tolist() == pytest.approx([0, 0, np.nan, 0.5, 0.5], nan_ok=True)
    assert found[4, :2].tolist() == [1, 1]
    assert np.isnan(found[4, 3])
    assert image_grid(np.zeros((1, 3, 2, 2)), 1).shape == (2, 2, 3)
    shown = draw_images(images, axes(), 2).images[0].get_array()
    assert shown.shape == (5, 5, 4)
    assert shown[0, :, 3].tolist() == [1, 1, 0, 1, 1]


def test_points_outside_the_picture_are_counted():
    samples = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, -9.0]])
    ax = draw_points(samples, np.zeros((2, 2)), (-1, 1, -1, 1), "#000000", axes())
    assert words(ax) == ["real", "generated", "2 of 3 outside"]
    drawn = {c.get_label(): np.asarray(c.get_offsets()).tolist() for c in ax.collections}
    assert drawn["_samples"] == samples.tolist()


def test_a_landscape_draws_scores_and_unit_arrows_where_there_is_a_gradient():
    x = y = np.linspace(-1, 1, 5)
    fakes, arrows = np.array([[0.0, 0.0], [0.5, 0.5]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    ax = draw_landscape(Landscape(x, y, np.add.outer(y, x), np.zeros((1, 2)), fakes, arrows), "#000000", axes())
    (quiver,) = [c for c in ax.collections if hasattr(c, "U")]
    assert (quiver.U.tolist(), quiver.V.tolist()) == (pytest.approx([0.6]), pytest.approx([0.8]))
    flat = Landscape(x, y, np.zeros((5, 5)), np.zeros((1, 2)), fakes, arrows * 0)
    draw_landscape(flat, "#000000", axes()).figure.draw_without_rendering()


def test_verdicts_have_a_mark_and_a_line_each():
    table = pd.DataFrame(
        {
            "claim": ["a", "a", "b"], "rule": ["r", "s", "t"], "effect": [1.0, 2.0, np.nan], "low": [0.5, 2.0, np.nan],
            "high": [1.5, 2.0, np.nan], "threshold": ["> 0"] * 3, "n": [3, 1, 0],
            "verdict": ["reproduced", "not reproduced", "inconclusive"],
        }
    )  # fmt: skip
    ax = draw_verdicts(table, 3, axes())
    assert [line.get_label() for line in ax.lines if line.get_marker() not in (None, "None")] == [
        "_reproduced", "_not reproduced", "_inconclusive",
    ]  # fmt: skip
    assert [t.get_text() for t in ax.texts] == [
        "a: r", "1 [0.5, 1.5]; wanted > 0; n = 3",
        "a: s", "2; wanted > 0; n = 1",  # calculated, so without an interval
        "b: t", "–; wanted > 0; n = 0",
    ]  # fmt: skip


# -- composed figures --------------------------------------------------------------------------------------------------


def test_a_figure_lays_its_panels_in_rows_and_nothing_leaves_it():
    steps, trials = gan()

    def draw(ax):
        return draw_norms(steps, trials, ax)

    panels = tuple(Panel(f"number {i}", (draw,)) for i in range(4))
    with style():
        picture, parts = compose(Figure("p", "All", "", "", panels, columns=3))
        picture.draw_without_rendering()
    assert len(parts) == 4
    assert parts[0].bbox.y0 == parts[2].bbox.y0 > parts[3].bbox.y1 - 1
    for part in parts:
        (ax,) = part.axes
        box = ax.get_tightbbox()
        assert part.bbox.x0 - 1 <= box.x0
        assert box.x1 <= part.bbox.x1 + 1
        assert part.bbox.y0 - 1 <= box.y0
        assert box.y1 <= part.bbox.y1 + 1
