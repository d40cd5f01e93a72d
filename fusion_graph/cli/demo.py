"""`fusion demo`: the whole of it without a key, a network or a language model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_graph.cli.app import CODES, AsEvents, AsJson, Database, Quiet, app, refuse_empty, tell, with_runs
from fusion_graph.cli.showing import follow

if TYPE_CHECKING:
    from fusion_graph.runs import Runs

QUESTION = "Does a panel of models beat one model asked twice?"


@app.command(epilog=CODES)
def demo(
    question: Annotated[str, typer.Argument(help="What to ask about the corpus.")] = QUESTION,
    corpus: Annotated[
        Path | None,
        typer.Option(help="A folder of .md, .txt or .html files of yours.", exists=True, file_okay=False),
    ] = None,
    db: Database = None,
    as_json: AsJson = False,
    events: AsEvents = False,
    quiet: Quiet = False,
) -> None:
    """See a panel at work offline: no key, no language model; sentences extracted from a corpus of invented pages.

    Three seats search and read, a judge compares what they found, a writer answers with sources: through the same graph,
    tools and store as any other run. Other things to ask: "What does a panel of models cost?", "How many seats should a
    panel have?", "Is agreement proof?" (a quotation in one page is false).

    Example: fusion demo "What does a panel of models cost?"
    """
    refuse_empty(question)
    from fusion_graph.demo import CORPUS_VARIABLE

    if corpus:
        from fusion_graph.tools.search.corpus import SUFFIXES

        if not any(path.suffix.lower() in SUFFIXES for path in corpus.rglob("*")):
            raise typer.BadParameter(f"{corpus} holds no file of {', '.join(sorted(SUFFIXES))}", param_hint="--corpus")
        os.environ[CORPUS_VARIABLE] = str(corpus.resolve())
    settings = {"preset": "demo", "mode": "always", "tools": ["web_search", "web_fetch"], "approve": False}

    async def work(runs: "Runs") -> int:
        if not (quiet or as_json or events):
            tell(f"asked: {question}")
        live = await runs.start([question], settings)
        code = await follow(live, as_json=as_json, as_events=events, strict=False, quiet=quiet, runs=runs)
        if corpus and code not in {0, 2}:
            tell(f"hint: its corpus is not stored: set {CORPUS_VARIABLE}={corpus.resolve()} when you resume it")
        return code

    with_runs(db, work, as_json=as_json, given={"question": question})
