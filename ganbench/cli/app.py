"""The commands. Each imports what does its work only when it is called.

Options of a study, with their defaults and help, are the fields of ``StudyConfig`` in ``study/config.py``;
``study_options`` gives a command the ones that it names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ganbench import __version__
from ganbench.cli.exit_codes import DONE, FAILED, exit_with_code, show_warnings
from ganbench.cli.options import Given, complete, path, study_options
from ganbench.cli.terminal import prepare_streams, settle_streams, tell
from ganbench.errors import UsageError
from ganbench.study.config import QUICK, make_config

app = typer.Typer(
    name="ganbench",
    help="Which GAN objective should I trust, on my data and my budget, and why?",
    epilog="Exit codes: 0 done, 1 a trial failed, 2 bad input, 3 internal error, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command that ``sys.argv`` holds and exit."""
    prepare_streams()
    show_warnings()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend is not there in other processes
    try:
        exit_with_code(app)
    finally:
        settle_streams()


def _version(wanted: bool) -> None:
    if wanted:
        tell(f"ganbench {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Which GAN objective should I trust, on my data and my budget, and why?"""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UsageError("the current folder does not exist any more; go to one that does, such as `cd ~`") from None


def _complete_kind(incomplete: str) -> list[str]:
    from ganbench.cli.listing import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


Argument, Option = typer.Argument, typer.Option

Results = Annotated[Path, Argument(parser=path, metavar="RESULTS", help="A results folder.")]
Json = Annotated[bool, Option("--json", help="Machine-readable.")]
Places = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME.FIELD=PATH",
        help="Where moved data lie now, such as image-folder.path=FOLDER; repeatable.",
    ),
]
QUICK_HELP = f"{QUICK['steps']} steps, {len(QUICK['seeds'])} seeds: does everything once, decides nothing."


@app.command()
@study_options()
def run(
    *,
    study_file: Annotated[
        Path | None, Argument(parser=path, metavar="[STUDY.toml]", help="Study file; options win over it.")
    ] = None,
    given: Given,
    quick: Annotated[bool, Option("--quick", help=QUICK_HELP)] = False,
    plan: Annotated[bool, Option("--plan", help="Show which trials would run; write nothing.")] = False,
) -> None:
    """Train objectives on the same networks, data and seeds; write tables."""
    config = make_config(study_file, given, quick)
    if not plan:
        from ganbench.runner.executors.early import start_early

        start_early(config)  # it imports torch while this process resolves the study
    from ganbench.cli.run import run as run_study

    results = run_study(config, plan)
    raise typer.Exit(FAILED if any(result.status == "failed" for result in results) else DONE)


@app.command()
@study_options("n_samples", "data_root", "plugin", n_samples="Samples to draw [default: as many as the study did].")
def evaluate(
    *,
    results: Results,
    metrics: Annotated[
        str, Option(autocompletion=complete("metrics"), help="Comma-separated names, such as kid,coverage.")
    ],
    given: Given,
    inception_weights: Annotated[
        Path | None,
        Option(parser=path, help="Weights of inception-v3-compat [default: GANBENCH_INCEPTION or torch's cache]."),
    ] = None,
    settings: Places = None,
) -> None:
    """Compute metrics of the generators that a study has stored; train nothing."""
    config = make_config(None, given)
    from ganbench.cli.evaluate import evaluate as evaluate_stored

    evaluate_stored(results, metrics, config, inception_weights, settings or [])


@app.command()
@study_options("data_root")
def report(
    *,
    results: Annotated[
        list[Path] | None,
        Argument(parser=path, metavar="[RESULTS ...]", help="Results folders [default: all in results/]."),
    ] = None,
    out: Annotated[
        Path | None,
        Option(parser=path, help="The report's folder [default: RESULTS/report, or report beside several]."),
    ] = None,
    given: Given,
) -> None:
    """Draw figures (png, svg, pdf) and write one self-contained page; train nothing."""
    from ganbench.interfaces.paths import cache_folder

    config = make_config(None, given)
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))  # else it makes ~/.config/...
    from ganbench.cli.report import report as write_report

    write_report(results or [], out, config.data_root)


data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Datasets that have to be downloaded.")
app.add_typer(data, name="data")


@data.callback()
def _data() -> None:
    """Datasets that have to be downloaded."""


@data.command()
@study_options("data_root")
def fetch(
    *,
    name: Annotated[
        str,
        Argument(
            autocompletion=complete("datasets"),
            metavar="NAME",
            help="A dataset, or inception-v3-compat for its weights.",
        ),
    ],
    given: Given,
) -> None:
    """Download ahead; what is there and whole stays."""
    config = make_config(None, given)
    from ganbench.cli.data import fetch as fetch_dataset

    fetch_dataset(name, config.data_root)


@data.command("list")
def list_datasets(json: Json = False) -> None:
    """Which datasets there are, and which of them have to be downloaded."""
    from ganbench.cli.data import list_datasets as print_datasets

    print_datasets(json)


@app.command()
@study_options(
    "seeds", "jobs", "device", "executor", "address", "gpus_per_cohort", "cpus_per_cohort", "trial_timeout", "out",
    seeds="Other seeds than each rule's own number of them.",
    out="Results folder [default: results/reproduce-PROFILE].",
)  # fmt: skip
def reproduce(
    *,
    profile: Annotated[str, Option(help="quick (minutes, two cores) or full.")] = "quick",
    claims: Annotated[
        str | None, Option(autocompletion=complete("claims"), help="Comma-separated ids or numbers [default: all].")
    ] = None,
    given: Given,
) -> None:
    """Test the claims of the literature: measure what is missing, judge by rules that were fixed before."""
    names = [name.strip() for name in claims.split(",") if name.strip()] if claims else []
    if claims is not None and not names:
        raise UsageError("--claims is empty; name at least one, or leave it out for all")
    config = make_config(None, given)
    from ganbench.cli.reproduce import reproduce as reproduce_claims

    done = reproduce_claims(profile, names, config.seeds if "seeds" in given else (), config)
    raise typer.Exit(DONE if done else FAILED)


@app.command()
def compare(
    first: Annotated[Path, Argument(parser=path, metavar="A", help="The results folder to compare with.")],
    second: Annotated[Path, Argument(parser=path, metavar="B", help="The results folder in question.")],
    fail_on: Annotated[str, Option(metavar="worse", help="Exit with 1 where B is worse in anything.")] = "",
) -> None:
    """Is B better or worse than A? Metric by metric, paired by seed, with intervals."""
    from ganbench.cli.compare import compare as compare_folders

    raise typer.Exit(FAILED if compare_folders(first, second, fail_on) else DONE)


@app.command()
def export(
    results: Results,
    format_: Annotated[str, Option("--format", metavar="csv|latex|md|json", help="LaTeX needs booktabs only.")],
    metrics: Annotated[str, Option(help="Comma-separated names, such as fid,modes [default: all].")] = "",
    out: Annotated[Path | None, Option(parser=path, help="A file [default: standard output].")] = None,
) -> None:
    """The leaderboard, one row an objective: the numbers of the report's page, for papers and programs."""
    from ganbench.cli.export import export as export_leaderboard

    export_leaderboard(results, format_, metrics, out)


@app.command()
def verify(results: Results, json: Json = False) -> None:
    """Compare every stored file with its checksum; say what is damaged, missing, foreign or unfinished."""
    from ganbench.cli.verify import verify as verify_study

    raise typer.Exit(DONE if verify_study(results, json) else FAILED)


@app.command()
@study_options("data_root", "plugin")
def rerun(
    *,
    trial: Annotated[Path, Argument(parser=path, metavar="TRIAL", help="A trial's folder: RESULTS/trials/TRIAL.")],
    probe: Annotated[bool, Option("--probe/--no-probe", help="Repeat its probe too, where it has one.")] = True,
    given: Given,
    settings: Places = None,
) -> None:
    """Train one trial again, elsewhere, and say whether its numbers agree with the stored ones."""
    config = make_config(None, given)
    from ganbench.cli.rerun import rerun as rerun_trial

    raise typer.Exit(DONE if rerun_trial(trial, probe, config.data_root, config.plugin, settings or []) else FAILED)


@app.command("list")
@study_options("plugin")
def list_(
    *,
    what: Annotated[
        str | None,
        Argument(autocompletion=_complete_kind, metavar="[objectives|datasets|architectures|metrics|executors|claims]"),
    ] = None,
    json: Json = False,
    given: Given,
) -> None:
    """What can be compared, on what, with which networks, by which measures; without a kind, all names."""
    config = make_config(None, given)
    from ganbench.cli.listing import list_kinds

    list_kinds(what, config.plugin, json)


@app.command()
@study_options("plugin")
def plugins(*, json: Json = False, given: Given) -> None:
    """What is loaded from where, and what is broken."""
    config = make_config(None, given)
    from ganbench.cli.listing import list_plugins

    list_plugins(config.plugin, json)


authoring = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Plugins of your own.")
app.add_typer(authoring, name="plugin")


@authoring.callback()
def _authoring() -> None:
    """Plugins of your own."""


@authoring.command()
def new(
    name: Annotated[str, Argument(metavar="NAME", help="What --objectives will call it, such as my-loss.")],
) -> None:
    """Write an installable plugin with one objective and its test into the folder ganbench-NAME."""
    from ganbench.cli.plugin import write_plugin

    write_plugin(name)


@authoring.command()
def check(
    target: Annotated[
        str, Argument(metavar="NAME|PATH", help="An objective, a plugin, a plugin's folder, or a Python file.")
    ],
    plot: Annotated[
        Path | None, Option(parser=path, metavar="FILE", help="Draw the Dirac-GAN too (png, svg or pdf).")
    ] = None,
    json: Json = False,
) -> None:
    """Does an objective keep its contract? One line for each defect, with the reason and the fix."""
    from ganbench.cli.plugin import check_plugin
    from ganbench.interfaces.paths import expand_home

    raise typer.Exit(DONE if check_plugin(expand_home(target), plot, json) else FAILED)
