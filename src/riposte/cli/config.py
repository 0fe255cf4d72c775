"""``riposte config``: what is in force, and whether a file is sound."""

from __future__ import annotations

import typer

from riposte.cli.display import out, print_json, table
from riposte.cli.options import ConfigFiles, Given, Json, PresetName
from riposte.settings.convert import plan_of
from riposte.settings.load import Loaded, flatten

app = typer.Typer(help="Show and check the configuration.", no_args_is_help=True)


def effective(loaded: Loaded) -> dict[str, tuple[object, str]]:
    """Every dotted key with its value in force and where that came from."""
    values = flatten(loaded.settings.model_dump(mode="json"))
    return {key: (value, loaded.sources.get(key, "default")) for key, value in values.items()}


def _in_words(key: str, value: object) -> str:
    if value is None:
        return "by the interval" if key.startswith("barriers.") else "none"
    return str(value)


@app.command()
def show(config: ConfigFiles = None, preset: PresetName = None, json: Json = False) -> None:
    """Print the effective settings and where each came from."""
    loaded = Given(config=config, preset=preset).load()
    found = effective(loaded)
    if json:
        print_json({key: {"value": v, "source": s} for key, (v, s) in found.items()})
        return
    rows = [(key, _in_words(key, value), source) for key, (value, source) in found.items()]
    out.print(table("", ("setting", "value", "from"), rows, right=9))


@app.command()
def check(config: ConfigFiles = None, preset: PresetName = None, json: Json = False) -> None:
    """Check the configuration; exits with 2 and names every problem if it is not sound."""
    loaded = Given(config=config, preset=preset).load()
    plan_of(loaded.settings)
    if json:
        print_json({"sound": True, "preset": loaded.settings.preset})
    else:
        out.print(f"The configuration is sound (preset {loaded.settings.preset}).")
