"""The Dirac-GAN of objectives: where both players are pushed, and where training would take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ganbench.interfaces.objective import Objective
from ganbench.report.figures.style import INK, QUIET, new_figure, style
from ganbench.testing.dynamics import Schedule, simulate
from ganbench.testing.toys import objective_field

EDGE, START, STEPS = 2.0, np.ones(1), 200


def draw_dirac(objectives: Sequence[Objective]) -> Figure:
    """One plane an objective: ψ to the right, θ upwards; arrows follow gradient descent of both players.

    The line is the path from (1, 1) under alternating steps.
    """
    with style():
        figure = new_figure(3.2 * len(objectives), 3.2)
        for place, objective in enumerate(objectives, 1):
            field = objective_field(objective, batch=64)
            psi, theta = (grid.ravel() for grid in np.meshgrid(*[np.linspace(-EDGE, EDGE, 17)] * 2))
            left, up = (-gradient(psi, theta) for gradient in (field.critic, field.generator))
            length = np.maximum(np.hypot(left, up), 1e-12)
            ax = figure.add_subplot(1, len(objectives), place)
            ax.quiver(psi, theta, left / length, up / length, color=QUIET, angles="xy", pivot="mid")
            path = simulate(field, START, START, Schedule(), STEPS)
            ax.plot(path.psi[:, 0], path.theta[:, 0], color=INK, linewidth=1)
            ax.plot(0, 0, "o", color=INK, markersize=3)
            ax.set(
                xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xlabel="critic ψ", ylabel="generator θ", title=objective.name
            )
            ax.set_aspect("equal")
    return figure
