"""What there is to choose from: `fusion presets`."""

import json

import typer

from fusion_graph.cli.app import AsJson, app, print_result, refused
from fusion_graph.errors import FusionError


@app.command("presets")
def list_presets(as_json: AsJson = False) -> None:
    """List the rosters to choose from: the published ones and your own."""
    from fusion_graph.presets import load_presets

    try:
        presets = load_presets()
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=as_json)) from None
    if as_json:
        print_result(json.dumps(presets, ensure_ascii=False))
        return
    for name, preset in presets.items():
        settings = preset["settings"]
        seats = ", ".join(seat if isinstance(seat, str) else seat["model"] for seat in settings.get("panel", []))
        print_result(f"{name}: {preset['description']}\n  panel {seats}; judge {settings.get('judge', '-')}")
