"""The command, its options, and how its errors become words and exit codes."""

import json
import os
import re
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar

import typer

from fusion_graph import terminal
from fusion_graph.cli import completing
from fusion_graph.database.address import faults, is_url, shown
from fusion_graph.database.damage import REMEDY, damage
from fusion_graph.errors import FusionError, MissingKeyError, ModelLoadError, SettingsError, redact
from fusion_graph.folders import home

if TYPE_CHECKING:
    from fusion_graph.runs import Runs

T = TypeVar("T")
_BROKEN = re.compile("[\udc80-\udcff]")  # what Python makes of bytes that are not UTF-8
CODES = (
    "Exit codes: 0 answered, also degraded; 1 no answer; 2 usage or settings; 3 paused; 4 credentials; "
    "5 degraded with --strict; 130 stopped."
)
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Ask a panel of models; get one cited answer.",
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
runs_app = typer.Typer(no_args_is_help=True, help="Past and stopped runs: nothing paid for is lost.")
app.add_typer(runs_app, name="runs")

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        envvar="FUSION_DB",
        help="Database of the runs: a file, or postgresql://USER@HOST/NAME.",
        show_default="a file in the data folder",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
AsEvents = Annotated[bool, typer.Option("--events", help="Print every event as a line of JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
_RUN = typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.", autocompletion=completing.runs)
RunId = Annotated[str, _RUN]
OptionalRunId = Annotated[str | None, _RUN]
PresetName = Annotated[
    str | None, typer.Option(help="Published roster to start from.", autocompletion=completing.presets)
]
PanelModels = Annotated[
    list[str] | None,
    typer.Option(help="Models of the panel, comma-separated or repeated.", autocompletion=completing.several_models),
]
JudgeModel = Annotated[str | None, typer.Option(help="Model that compares.", autocompletion=completing.models)]
WriterModel = Annotated[
    str | None, typer.Option(help="Model that writes; default: the judge.", autocompletion=completing.models)
]
Mode = Annotated[str | None, typer.Option(help="always, auto or never ask the panel.")]
PanelTools = Annotated[
    list[str] | None,
    typer.Option(
        help="Tools of the panel, comma-separated: web_search, web_fetch, bash, mcp:SERVER, community:CLASS; none for none."
    ),
]
ForkedJudge = Annotated[
    str, typer.Option(help="Compare again with this model, and write again.", autocompletion=completing.models)
]
ForkedWriter = Annotated[str, typer.Option(help="Write again with this model.", autocompletion=completing.models)]
AddedSeats = Annotated[
    list[str] | None,
    typer.Option(help="Ask one more model; then compare and write again.", autocompletion=completing.several_models),
]


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from fusion_graph import __version__

        print_result(f"fusion {__version__}")
        raise typer.Exit


@app.callback()
def fusion(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """Ask a panel of models; get one cited answer."""


def with_runs(
    db: str | None,
    work: Callable[["Runs"], Coroutine[Any, Any, int]],
    *,
    as_json: bool,
    given: Mapping[str, object] | None = None,
) -> None:
    """Open the runs, do the work, and turn its errors into words and an exit code.

    What of `given` is text and not UTF-8 is refused before.
    """
    # Before LangGraph is imported: checkpoints then load plain data only.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

    place = db or home("data") / "runs.db"
    if db and not is_url(db) and db != os.environ.get("FUSION_DB"):
        terminal.use_database(db)

    async def main() -> int:
        from fusion_graph.runs import open_runs

        async with open_runs(place) as runs:
            return await work(runs)

    try:
        refuse_broken(given or {})
        code = wait_for(main())
    except FusionError as error:
        code = refused(error, as_json=as_json)
    except faults() as error:
        if isinstance(error, BrokenPipeError):
            raise  # whoever read our output has seen enough; typer leaves quietly
        code = unusable(place, error)
    raise typer.Exit(code)


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine comes to, in a loop of its own."""
    import asyncio

    return asyncio.run(work)


def unusable(db: str | Path, error: Exception) -> int:
    """Say what is wrong with a database; return the exit code."""
    said = redact(" ".join(str(error).split()))
    remedy = "is the server up?" if is_url(db) else "name a file this user can write to with --db"
    if damaged := damage(error):
        said, remedy = damaged, REMEDY
    tell(f"error: the database {shown(db)!r}: {said}", f"hint: {remedy}")
    return 1


def refuse_broken(given: Mapping[str, object]) -> None:
    """Refuse texts, alone or in lists, that cannot be stored: those with bytes that are not UTF-8. Raises SettingsError."""
    for name, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and (broken := _BROKEN.search(text)):
                where = f"{broken[0].encode(errors='surrogateescape')!r} at character {broken.start() + 1}"
                hint = "convert it: iconv -f latin1 -t utf-8"
                raise SettingsError(f"the {name} is not valid UTF-8: {where}", field=name, value=text, hint=hint)


def refuse_empty(question: str) -> None:
    """Refuse a question of nothing but blanks."""
    if not question.strip():
        raise typer.BadParameter("the question is empty")


def refused(error: FusionError, *, as_json: bool) -> int:
    """Say what went wrong and what to do about it; return the exit code."""
    width = terminal.width_of(sys.stderr)
    for text in (f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])):
        tell(*terminal.wrapped(text, width))
    if as_json:
        reason = "invalid_model" if isinstance(error, ModelLoadError) else "unexpected_error"
        told = {"status": "error", "failure_reason": reason, "error": str(error), "hint": error.hint}
        print_result(json.dumps(told, ensure_ascii=False))
    if isinstance(error, MissingKeyError):
        return 4
    return 2 if isinstance(error, SettingsError | ModelLoadError) else 1


def listed(values: list[str] | None) -> list[str] | None:
    """Return an option's values, repeated or comma-separated; `none` is an empty list, None stays None."""
    if values is None:
        return None
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    return [] if names == ["none"] else names


def print_result(text: str, *, hint: str = "is there room where stdout goes?") -> None:
    """Print on stdout: what was asked for, and nothing else. If it cannot be written, exit with that and the hint."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; typer leaves quietly
    except OSError as error:
        _lead_nowhere(sys.stdout)
        tell(f"error: the output cannot be written: {error.strerror}", f"hint: {hint}")
        raise typer.Exit(1) from None


def tell(*lines: str) -> None:
    """Print on stderr: everything else. No run ends because that is full."""
    for line in lines:
        try:
            typer.echo(line, err=True)
        except BrokenPipeError:
            raise
        except OSError:
            _lead_nowhere(sys.stderr)


def _lead_nowhere(stream: TextIO) -> None:
    """Let what a stream still holds, and all that is written to it, be lost without another error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _open_closed() -> None:
    """Let streams that the shell has closed lead nowhere: their numbers would be given to the next files opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (it stays open)


def main() -> None:
    """Run the command line."""
    _open_closed()
    app(prog_name="fusion")
