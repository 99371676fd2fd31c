"""The command line. Reads options, calls the package, prints; imports nothing heavy until a command needs it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ganbench import __version__
from ganbench.cli.terminal import UNREAD, discard, echo_err, prepare_streams, settle_streams, tell
from ganbench.errors import GanbenchError, ObstructedError, ProcessError, StorageError, UsageError

DONE, FAILED, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="ganbench",
    help="Which GAN objective should I trust, on my data and my budget, and why?",
    epilog="Exit codes: 0 done, 1 a trial failed, 2 bad input, 3 internal error, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: turns every error that is meant for a user into one sentence and an exit code."""
    prepare_streams()
    _show_warnings()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend is not there in other processes
    try:
        _run()
    finally:
        settle_streams()


def _run() -> None:
    heard = _listen()
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as stop:
        if heard:  # typer makes a silent exit of an interrupt
            _leave()
        if isinstance(stop.__context__, BrokenPipeError):  # typer was printing help, and exits with 1
            discard(sys.stdout)
            sys.exit(UNREAD)
        raise
    except Exception as error:
        expected = _explain(error)
        if expected is None and heard:  # an import that is interrupted may turn the interrupt into an error of its own
            _leave()
        sentence, code = expected or _report(error)
        echo_err(f"ganbench: {sentence}")
        sys.exit(code)


ADVICE = {  # what to do about an error of the operating system, wherever it comes from
    errno.EACCES: "make it readable and writable, or name another path",
    errno.EPERM: "make it readable and writable, or name another path",
    errno.EROFS: "name a path on a disk that can be written to",
    errno.EMFILE: "raise the number of files that a process may open (ulimit -n), or lower --jobs",
    errno.ENFILE: "close other programs, or lower --jobs",
    errno.EAGAIN: "raise the number of processes that may run (ulimit -u), or lower --jobs",
}


def _explain(error: Exception) -> tuple[str, int] | None:
    """The sentence and the exit code of an error that is meant for a user; None of any other."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ObstructedError):
        return str(error), USAGE
    if isinstance(error, StorageError) or number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{error}; what was finished is kept, and the same command runs what is missing", FAILED
    if isinstance(error, ProcessError):
        return str(error), FAILED
    if isinstance(error, GanbenchError):
        return str(error), USAGE
    if isinstance(error, OSError) and number == errno.ENAMETOOLONG:
        return f"{str(error.filename)[:40]}...: {error.strerror}; give a shorter path", USAGE
    if isinstance(error, OSError) and number in ADVICE:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; {ADVICE[number]}", USAGE
    if isinstance(error, FileNotFoundError) and error.filename is None:  # tempfile's
        return f"{error.strerror}; make one of them writable, or name another folder with TMPDIR", USAGE
    return None


def _report(error: Exception) -> tuple[str, int]:
    """Print the traceback of an unexpected error."""
    import traceback

    for line in traceback.format_exc().splitlines():
        echo_err(line)
    return f"internal error, please report it: {type(error).__name__}: {error}", INTERNAL


def _show_warnings() -> None:
    """Show the warnings that PYTHONWARNINGS or -W would raise as errors: those of other packages must not end a run."""
    actions = {option: option.partition(":")[0].strip() for option in sys.warnoptions}
    kept = [option for option, action in actions.items() if not (action and "error".startswith(action))]
    if len(kept) < len(sys.warnoptions):
        sys.warnoptions[:] = kept  # processes that multiprocessing starts take them over
        os.environ["PYTHONWARNINGS"] = ",".join(kept)
        warnings.simplefilter("default")


def _listen() -> list[int]:
    """Let SIGINT and SIGTERM end the program in order, a second one at once. Returns what has come."""
    heard: list[int] = []

    def interrupt(number: int, _: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)  # also where a script has started this with `&`, which ignores it
    return heard


def _leave() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    echo_err("ganbench: interrupted; the same command runs what is missing")
    sys.exit(INTERRUPTED)


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


def _completed(kind: str) -> Callable[[str], list[str]]:
    """Completes a comma-separated list of names: what was typed, with every name that its last part may become."""

    def complete(incomplete: str) -> list[str]:
        from ganbench.cli.listing import names_of

        typed, comma, last = incomplete.rpartition(",")
        return [typed + comma + name for name in names_of(kind) if name.startswith(last)]

    return complete


def _complete_kind(incomplete: str) -> list[str]:
    from ganbench.cli.listing import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def path(text: str) -> Path:
    """A path as it was typed, with the home folder in the place of ``~``."""
    from ganbench.interfaces.paths import expand_home

    return Path(expand_home(text))


Option = typer.Option
PLUGIN = "A plugin in one file that nobody installed; repeatable."
MOVED = "Where moved data lie now, such as image-folder.path=FOLDER; repeatable."

Settings = Annotated[
    list[str] | None, Option("--set", metavar="NAME.FIELD=V[,V]", help="A setting, or several to sweep; repeatable.")
]
Timeout = Annotated[
    float | None, Option(metavar="SECONDS", help="End a trial's process after so long [default: never].")
]

Precision = Annotated[str | None, Option(metavar="NAME", help="float32, tf32 or bf16 [default: float32].")]
Compile = Annotated[str | None, Option("--compile", metavar="WHEN", help="on or off [default: off].")]

EvaluateEvery = Annotated[int | None, Option(help="Steps between evaluations [default: a tenth of the steps].")]

# Of clusters; the executor says what it has no use for.
Executor = Annotated[str | None, Option(help="local, ray, slurm or a plugin's [default: local].")]
Address = Annotated[
    str | None,
    Option(help="Of a Ray cluster: auto or HOST:PORT [default: RAY_ADDRESS, or one for this run alone]."),
]
Gpus = Annotated[float | None, Option(metavar="N", help="On a cluster; 0.5 lets two share one [default: 0].")]
Cpus = Annotated[int | None, Option(metavar="N", help="On a cluster [default: 1].")]

Objectives = Annotated[
    str | None, Option(autocompletion=_completed("objectives"), help="Comma-separated names, such as gan,wgan.")
]
Datasets = Annotated[
    str | None, Option(autocompletion=_completed("datasets"), help="Comma-separated names [default: digits].")
]
Architectures = Annotated[
    str | None,
    Option(autocompletion=_completed("architectures"), help="Comma-separated names [default: the dataset's own]."),
]
DataRoot = Annotated[str | None, Option(help="Where datasets lie [default: GANBENCH_DATA or the user's cache].")]
StudyFile = Annotated[
    Path | None, typer.Argument(parser=path, metavar="[STUDY.toml]", help="Study file; options win over it.")
]
Root = Annotated[
    Path | None, Option(parser=path, help="Where datasets lie [default: GANBENCH_DATA or the user's cache].")
]


@app.command()
def run(
    study_file: StudyFile = None,
    objectives: Objectives = None,
    seeds: Annotated[str | None, Option(help="5 means seeds 0 to 4; also 3,7 and 10-19.")] = None,
    datasets: Datasets = None,
    architectures: Architectures = None,
    steps: Annotated[int | None, Option(help="Generator updates [default: 2000].")] = None,
    batch_size: Annotated[int | None, Option(help="Samples in a batch [default: 64].")] = None,
    evaluate_every: EvaluateEvery = None,
    n_samples: Annotated[int | None, Option(help="Samples in an evaluation [default: the dataset's own].")] = None,
    set_: Settings = None,
    probe: Annotated[
        bool | None, Option("--probe/--no-probe", help="The frozen-generator probe [default: on].")
    ] = None,
    device: Annotated[str | None, Option(help="auto, cpu, cuda, cuda:N or mps [default: auto].")] = None,
    precision: Precision = None,
    compile_: Compile = None,
    jobs: Annotated[int | None, Option(help="Parallel processes [default: one a core].")] = None,
    executor: Executor = None,
    address: Address = None,
    gpus_per_cohort: Gpus = None,
    cpus_per_cohort: Cpus = None,
    trial_timeout: Timeout = None,
    out: Annotated[str | None, Option(help="Results folder [default: results/DATASET-ARCHITECTURE].")] = None,
    data_root: DataRoot = None,
    plugin: Annotated[list[str] | None, Option(metavar="FILE.py", help=PLUGIN)] = None,
    quick: Annotated[
        bool, Option("--quick", help="200 steps, 3 seeds: does everything once, decides nothing.")
    ] = False,
    plan: Annotated[bool, Option("--plan", help="Show which trials would run; write nothing.")] = False,
) -> None:
    """Train objectives on the same networks, data and seeds; write tables."""
    given = {
        k.rstrip("_"): v for k, v in locals().items() if k not in ("study_file", "quick", "plan", "set_", "plugin")
    }
    from ganbench.study.config import make_request

    request = make_request(study_file, {**given, "settings": set_ or None, "plugin": plugin or None}, quick)
    if not plan:
        from ganbench.runner.executors.early import start_early

        start_early(request)  # it imports torch while this process resolves the study
    from ganbench.cli.run import run as run_request

    outcomes = run_request(request, plan)
    raise typer.Exit(FAILED if any(o.status == "failed" for o in outcomes) else DONE)


@app.command()
def evaluate(
    results: Annotated[Path, typer.Argument(parser=path, metavar="RESULTS", help="A results folder.")],
    metrics: Annotated[
        str, Option(autocompletion=_completed("metrics"), help="Comma-separated names, such as kid,coverage.")
    ],
    n_samples: Annotated[int, Option(help="Samples to draw [default: as many as the study did].")] = 0,
    data_root: Root = None,
    inception_weights: Annotated[
        Path | None,
        Option(parser=path, help="Weights of inception-v3-compat [default: GANBENCH_INCEPTION or torch's cache]."),
    ] = None,
    plugin: Annotated[list[Path] | None, Option(parser=path, metavar="FILE.py", help=PLUGIN)] = None,
    settings: Annotated[list[str] | None, Option("--set", metavar="NAME.FIELD=PATH", help=MOVED)] = None,
) -> None:
    """Compute metrics of the generators that a study has stored; train nothing."""
    from ganbench.cli.evaluate import evaluate as evaluate_stored

    evaluate_stored(results, metrics, n_samples, data_root, inception_weights, plugin or [], settings or [])


@app.command()
def report(
    results: Annotated[
        list[Path] | None,
        typer.Argument(parser=path, metavar="[RESULTS ...]", help="Results folders [default: all in results/]."),
    ] = None,
    out: Annotated[
        Path | None,
        Option(parser=path, help="The report's folder [default: RESULTS/report, or report beside several]."),
    ] = None,
    data_root: Root = None,
) -> None:
    """Draw figures (png, svg, pdf) and write one self-contained page; train nothing."""
    from ganbench.interfaces.paths import cache_folder

    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))  # else it makes ~/.config/...
    from ganbench.cli.report import report as write_report

    write_report(results or [], out, data_root)


data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Datasets that have to be downloaded.")
app.add_typer(data, name="data")


@data.callback()
def _data() -> None:
    """Datasets that have to be downloaded."""


@data.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=_completed("datasets"),
            metavar="NAME",
            help="A dataset, or inception-v3-compat for its weights.",
        ),
    ],
    data_root: Root = None,
) -> None:
    """Download ahead; what is there and whole stays."""
    from ganbench.cli.data import fetch as fetch_dataset

    fetch_dataset(name, data_root)


@data.command("list")
def list_datasets(json: Annotated[bool, Option("--json", help="Machine-readable.")] = False) -> None:
    """Which datasets there are, and which of them have to be downloaded."""
    from ganbench.cli.data import list_datasets as print_datasets

    print_datasets(json)


@app.command()
def reproduce(
    profile: Annotated[str, Option(help="quick (minutes, two cores) or full.")] = "quick",
    claims: Annotated[
        str | None, Option(autocompletion=_completed("claims"), help="Comma-separated ids or numbers [default: all].")
    ] = None,
    seeds: Annotated[str | None, Option(help="Other seeds than each rule's own number of them.")] = None,
    jobs: Annotated[int | None, Option(help="Parallel processes [default: one a core].")] = None,
    device: Annotated[str | None, Option(help="auto or cpu: experiments run on the CPU [default: auto].")] = None,
    executor: Executor = None,
    address: Address = None,
    cpus_per_cohort: Cpus = None,
    trial_timeout: Timeout = None,
    out: Annotated[str | None, Option(help="Results folder [default: results/reproduce-PROFILE].")] = None,
) -> None:
    """Test the claims of the literature: measure what is missing, judge by rules that were fixed before."""
    given = {
        "jobs": jobs, "device": device, "executor": executor, "address": address, "cpus_per_cohort": cpus_per_cohort,
        "trial_timeout": trial_timeout, "out": out,
    }  # fmt: skip
    from ganbench.study.config import make_request, read_seeds

    names = [name.strip() for name in claims.split(",") if name.strip()] if claims else []
    if claims is not None and not names:
        raise UsageError("--claims is empty; name at least one, or leave it out for all")
    replications = read_seeds(seeds) if seeds else ()
    request = make_request(None, given, quick=False)
    from ganbench.cli.reproduce import reproduce as reproduce_claims

    raise typer.Exit(DONE if reproduce_claims(profile, names, replications, request) else FAILED)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(parser=path, metavar="A", help="The results folder to compare with.")],
    second: Annotated[Path, typer.Argument(parser=path, metavar="B", help="The results folder in question.")],
    fail_on: Annotated[str, Option(metavar="worse", help="Exit with 1 where B is worse in anything.")] = "",
) -> None:
    """Is B better or worse than A? Metric by metric, paired by seed, with intervals."""
    from ganbench.cli.compare import compare as compare_folders

    raise typer.Exit(FAILED if compare_folders(first, second, fail_on) else DONE)


@app.command()
def export(
    results: Annotated[Path, typer.Argument(parser=path, metavar="RESULTS", help="A results folder.")],
    format_: Annotated[str, Option("--format", metavar="csv|latex|md|json", help="LaTeX needs booktabs only.")],
    metrics: Annotated[str, Option(help="Comma-separated names, such as fid,modes [default: all].")] = "",
    out: Annotated[Path | None, Option(parser=path, help="A file [default: standard output].")] = None,
) -> None:
    """The leaderboard, one row an objective: the numbers of the report's page, for papers and programs."""
    from ganbench.cli.export import export as export_leaderboard

    export_leaderboard(results, format_, metrics, out)


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(parser=path, metavar="RESULTS", help="A results folder.")],
    json: Annotated[bool, Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Compare every stored file with its checksum; say what is damaged, missing, foreign or unfinished."""
    from ganbench.cli.verify import verify as verify_study

    raise typer.Exit(DONE if verify_study(results, json) else FAILED)


@app.command()
def rerun(
    trial: Annotated[
        Path, typer.Argument(parser=path, metavar="TRIAL", help="A trial's folder: RESULTS/trials/TRIAL.")
    ],
    probe: Annotated[bool, Option("--probe/--no-probe", help="Repeat its probe too, where it has one.")] = True,
    data_root: Root = None,
    plugin: Annotated[list[Path] | None, Option(parser=path, metavar="FILE.py", help=PLUGIN)] = None,
    settings: Annotated[list[str] | None, Option("--set", metavar="NAME.FIELD=PATH", help=MOVED)] = None,
) -> None:
    """Train one trial again, elsewhere, and say whether its numbers agree with the stored ones."""
    from ganbench.cli.rerun import rerun as rerun_trial

    raise typer.Exit(DONE if rerun_trial(trial, probe, data_root, plugin or [], settings or []) else FAILED)


@app.command("list")
def list_(
    what: Annotated[
        str | None,
        typer.Argument(
            autocompletion=_complete_kind, metavar="[objectives|datasets|architectures|metrics|executors|claims]"
        ),
    ] = None,
    json: Annotated[bool, Option("--json", help="Machine-readable.")] = False,
    plugin: Annotated[list[Path] | None, Option(parser=path, metavar="FILE.py", help=PLUGIN)] = None,
) -> None:
    """What can be compared, on what, with which networks, by which measures; without a kind, all names."""
    from ganbench.cli.listing import list_kinds

    list_kinds(what, plugin or [], json)


@app.command()
def plugins(
    json: Annotated[bool, Option("--json", help="Machine-readable.")] = False,
    plugin: Annotated[list[Path] | None, Option(parser=path, metavar="FILE.py", help=PLUGIN)] = None,
) -> None:
    """What is loaded from where, and what is broken."""
    from ganbench.cli.listing import describe_plugins
    from ganbench.cli.terminal import print_rows
    from ganbench.plugins.loading import read_plugin_files
    from ganbench.plugins.registry import load_plugins

    print_rows(describe_plugins(load_plugins(files=read_plugin_files(plugin or [])).plugins), json)


authoring = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Plugins of your own.")
app.add_typer(authoring, name="plugin")


@authoring.callback()
def _authoring() -> None:
    """Plugins of your own."""


@authoring.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What --objectives will call it, such as my-loss.")],
) -> None:
    """Write an installable plugin with one objective and its test into the folder ganbench-NAME."""
    from ganbench.cli.plugin import write_plugin

    write_plugin(name)


@authoring.command()
def check(
    target: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="An objective, a plugin, a plugin's folder, or a Python file.")
    ],
    plot: Annotated[
        Path | None, Option(parser=path, metavar="FILE", help="Draw the Dirac-GAN too (png, svg or pdf).")
    ] = None,
    json: Annotated[bool, Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Does an objective keep its contract? One line for each defect, with the reason and the fix."""
    from ganbench.cli.plugin import check_plugin
    from ganbench.interfaces.paths import expand_home

    raise typer.Exit(DONE if check_plugin(expand_home(target), plot, json) else FAILED)
