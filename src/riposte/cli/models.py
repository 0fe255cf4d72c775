"""``riposte models``: what has been trained."""

from __future__ import annotations

import typer

from riposte.cli.display import number, out, print_json, table
from riposte.cli.options import ConfigFiles, Given, Json
from riposte.errors import InputError, nearest
from riposte.layers.artefact import read_artefact
from riposte.market.series import format_time

app = typer.Typer(help="List and show trained models.", no_args_is_help=True)


@app.command("list")
def list_models(config: ConfigFiles = None, json: Json = False) -> None:
    """List the trained models."""
    folder = Given(config=config).load().settings.model.folder
    found = {
        path.parent.name: read_artefact(path.parent).about
        for path in sorted(folder.glob("*/manifest.json"))
    }
    if json:
        print_json(found)
        return
    if not found:
        out.print(f"No models in {folder}: riposte train makes one.")
        return
    rows = [
        (
            name,
            str(about["training"]["rows"]),
            str(len(about["features"])),
            format_time(about["training"]["last_time"]),
            number(about["scores"]["signal"]["log_loss"], 4),
        )
        for name, about in found.items()
    ]
    columns = ("model", "rows", "features", "trained to", "log loss")
    out.print(table("", columns, rows))


@app.command()
def show(name: str, config: ConfigFiles = None) -> None:
    """Print a model's manifest as JSON."""
    folder = Given(config=config).load().settings.model.folder
    there = [path.parent.name for path in folder.glob("*/manifest.json")]
    if name not in there:
        raise InputError(f"model {name!r} is not in {folder}{nearest(name, there)}")
    print_json(read_artefact(folder / name).about)
