"""In the engine: vectorised over seeds, recorded and replayed, constrained, with state, and trained on a toy."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ganbench.engine.cohort import STEP_DIMS, Cohort, TrainingConfig
from ganbench.engine.functional import Game, StepInputs, vmap_seeds
from ganbench.engine.loop import train
from ganbench.engine.player import FunctionalCritic
from ganbench.interfaces.draw import Draw
from ganbench.interfaces.objective import Optimizer, constraint_of
from ganbench.testing.candidate import LOSSES, Candidate, Defect, Finding, Unchecked
from ganbench.testing.dirac import sides, signs
from ganbench.testing.losses import LATE
from ganbench.testing.toys import DOUBLE, Case, ToyGaussian, ToyNetworks

CASE, END = Case(dtype=DOUBLE), dataclasses.replace(LATE, dtype=DOUBLE, seed=1)
SEEDS, STEPS, NEARER = (0, 1, 2), 20, 0.9
CRITIC_STEPS = 5  # at least: a penalty may hold a critic that knows nothing yet to the wrong slope
QUICKLY = Optimizer("adam", lr=0.02, beta1=0.5)
PLAIN = "tensor operations, torch.where instead of if, no .item()"


def vmap(subject: Candidate) -> Iterator[Finding]:
    """All seeds run as one vectorised program, with the numbers of each alone; or the class says that they cannot."""
    if not subject.instance.vectorised:
        yield Unchecked("vmap", "vectorised is False: seeds run one after the other")
        return
    game = CASE.game(subject.instance)
    for loss, function in _functions(game).items():
        both = [_arguments(dataclasses.replace(CASE, seed=seed), game, loss) for seed in (0, 1)]
        stacked = pytree.tree_map(lambda *leaves: torch.stack(leaves), *both)._replace(clock=CASE.clock())
        try:
            together = vmap_seeds(function, in_dims=STEP_DIMS)(stacked)
        except Exception as error:  # whatever vmap cannot do
            reason = f"{loss} cannot be vectorised over seeds ({_first_line(error)})"
            yield Defect("vmap", reason, f"use {PLAIN}; or declare it: vectorised = False", "refused")
            continue
        if not _alike(together, vmap_seeds(function, loop=True)(stacked)):
            yield Defect(
                "vmap", f"{loss} gives other numbers vectorised than seed by seed", f"use {PLAIN}", "other-numbers"
            )


def recorded(subject: Candidate) -> Iterator[Finding]:
    """What ``traceable = True`` promises: a recording of one step gives the numbers of any other step."""
    if not (subject.instance.traceable and subject.instance.vectorised):
        yield Unchecked("recorded", "traceable is False: every step runs as it is written")
        return
    game = CASE.game(subject.instance)
    for loss, function in _functions(game).items():
        first, other = (_arguments(case, game, loss) for case in (CASE, END))
        try:
            program = make_fx(_without_signature(function))(first)
        except Exception as error:
            reason = f"{loss} cannot be recorded ({_first_line(error)})"
            yield Defect("recorded", reason, f"use {PLAIN}; or drop traceable = True", "refused")
            continue
        if not _alike(program(other), function(other)):
            reason = f"{loss} recorded at one step gives other numbers at another, though traceable is True"
            yield Defect("recorded", reason, f"use {PLAIN}; or drop traceable = True", "other-numbers")


def _first_line(error: Exception) -> str:
    """Its first sentence, without the code that PyTorch shows."""
    return str(error).strip().partition("\n")[0].partition(". ")[0]


def _without_signature(function: Any) -> Any:
    return lambda *given: function(*given)  # make_fx then goes by what it is given


def _functions(game: Game) -> dict[str, Any]:
    found: dict[str, Any] = {"critic_loss": game.critic_gradients, "generator_loss": game.generator_gradients}
    constraint = constraint_of(game.objective)
    if constraint is not None:
        found["constrain"] = lambda inputs: dict(constraint(inputs.critic, _draw(inputs)))
    return found


def _draw(inputs: StepInputs) -> Draw:
    """What a constraint is given."""
    return Draw(*inputs.clock, inputs.state)


def _arguments(case: Case, game: Game, name: str) -> StepInputs:
    return case.inputs(game, name if name in LOSSES else LOSSES[0])


def _alike(got: Any, wanted: Any) -> bool:
    pairs = zip(pytree.tree_leaves(got), pytree.tree_leaves(wanted), strict=True)
    return all(torch.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) for a, b in pairs)


# -- the optional methods ----------------------------------------------------------------------------------------------


def estimate(subject: Candidate) -> Iterator[Defect]:
    """The estimate is a scalar tensor."""
    game = CASE.game(subject.instance)
    inputs = CASE.inputs(game)
    critic, fake = (
        FunctionalCritic(game.critic, inputs.critic),
        game.generate(inputs.generator, inputs.latent),
    )
    value = subject.instance.estimate(critic, inputs.real, fake)
    if not isinstance(value, Tensor) or value.shape != ():
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        yield Defect("estimate", f"it gave {got}, wanted a scalar tensor", "end it with .mean()", "scalar")


def constrain(subject: Candidate) -> Iterator[Finding]:
    """At the first step and at the last, it gives all weights back, of the same shapes, finite and as new tensors."""
    constraint = constraint_of(subject.instance)
    if constraint is None:
        yield Unchecked("constrain", "it has no constraint")
        return
    for case in (CASE, END):
        inputs = case.inputs(case.game(subject.instance))
        before = {name: w.clone() for name, w in inputs.critic.items()}
        after = constraint(inputs.critic, _draw(inputs))
        if any(not torch.equal(w, before[name]) for name, w in inputs.critic.items()):
            fix = "return new tensors: w.clamp(...), not w.clamp_(...)"
            yield Defect("constrain", "it changes weights in place", fix, "in-place")
        found = list(_same_tensors("constrain", before, after))
        yield from found
        if found:
            return


def state(subject: Candidate) -> Iterator[Finding]:
    """The state keeps its names and shapes from step to step, and stays finite."""
    if not (subject.overrides("init_state") or subject.overrides("update_state")):
        yield Unchecked("state", "it keeps no state")
        return
    game = CASE.game(subject.instance)
    inputs = CASE.inputs(game, "generator_loss")
    for _ in range(3):
        after = game.next_state(inputs)
        found = list(_same_tensors("state", inputs.state, after))
        if found:
            yield from found
            return
        inputs = inputs._replace(state=after)


def _same_tensors(check: str, before: Any, after: Any) -> Iterator[Defect]:
    if not isinstance(after, dict) or set(after) != set(before):
        got = sorted(after) if isinstance(after, dict) else type(after).__name__
        yield Defect(
            check, f"it gave {got}, wanted {sorted(before)}", "return a dict with every name that came in", "names"
        )
        return
    for name, tensor in before.items():
        if not isinstance(after[name], Tensor) or after[name].shape != tensor.shape:
            yield Defect(
                check, f"{name!r} comes back in another shape", f"return a tensor of {tuple(tensor.shape)}", "shape"
            )
        elif not after[name].isfinite().all():
            yield Defect(check, f"{name!r} comes back not finite", "divide by nothing that may be zero", "not-finite")


def critic_steps(subject: Candidate) -> Iterator[Defect]:
    """At least one critic update precedes each generator update."""
    for step in (1, 2, 10, 100, 100_000):
        n = subject.instance.critic_steps(step)
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            yield Defect("critic_steps", f"it is {n!r} at step {step}", "return a whole number of at least 1", "count")
            return


# -- a toy run ---------------------------------------------------------------------------------------------------------


def training(subject: Candidate) -> Iterator[Defect]:
    """A few steps bring a toy generator nearer to its data, in the engine and with all readings finite."""
    n_critic = max(subject.instance.n_critic, CRITIC_STEPS)
    objective = dataclasses.replace(subject.instance, optimizer=QUICKLY, n_critic=n_critic)
    object.__setattr__(objective, "traceable", False)  # recording pays in longer runs only
    config = TrainingConfig(ToyGaussian(), ToyNetworks(), objective, STEPS, batch_size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether vmap works is another check's
        cohort = Cohort(config, SEEDS)
        before = _distance(cohort)
        finite = all(torch.from_numpy(chunk.readings).isfinite().all() for chunk in train(cohort, set()))
    if not finite:
        yield Defect(
            "training",
            f"a reading is not finite within {STEPS} steps on a toy",
            "look for log, sqrt and /",
            "not-finite",
        )
    elif not (after := _distance(cohort)) < NEARER * before:
        reason = f"after {STEPS} steps a toy generator is {after:.2f} from its data, where it began {before:.2f} away"
        turned = any((*signs(subject), *sides(subject)))
        yield Defect("training", reason, *((FIX_SIGNS, "signs") if turned else (FIX_HELD, "held")))


FIX_SIGNS = "look at the signs of both losses: each is minimised, and a high score is real"
FIX_HELD = "the signs are right: look for what outweighs the scores, such as a penalty's weight or a constraint"


def _distance(cohort: Cohort) -> float:
    """From the mean of what is generated to that of the data, on average over the seeds."""
    latents = torch.randn(len(SEEDS), 512, ToyNetworks.latent, generator=torch.Generator().manual_seed(0))
    return float((cohort.sample(latents).mean(dim=1) - ToyGaussian.centre).norm(dim=1).mean())
