"""The ``riposte`` command: the whole job as verbs, in the order a user needs them."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

import riposte
from riposte.cli import (
    config,
    data,
    demo,
    doctor,
    explain,
    features,
    models,
    report,
    research,
    sim,
    trials,
    tune,
)
from riposte.cli.display import err
from riposte.errors import RiposteError

INTERRUPTED = 130
BROKEN = 70

VERBS = (
    "doctor",
    "data",
    "features",
    "labels",
    "train",
    "tune",
    "explain",
    "walkforward",
    "backtest",
    "trials",
    "models",
    "report",
    "config",
    "sim",
    "demo",
)


class InOrderOfTheJob(TyperGroup):
    """Lists the verbs in the order a user needs them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs, first things first."""
        return sorted(super().list_commands(ctx), key=VERBS.index)


app = typer.Typer(
    name="riposte",
    cls=InOrderOfTheJob,
    help="An autonomous trader for crypto perpetual futures: response over prediction, survival first.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"riposte {riposte.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options that come before the verb."""


doctor.register(app)
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
research.register(app)
explain.register(app)
tune.register(app)
trials.register(app)
app.add_typer(models.app, name="models")
app.add_typer(report.app, name="report")
app.add_typer(config.app, name="config")
sim.register(app)
demo.register(app)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code after showing any error as one line."""
    try:
        code = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except RiposteError as error:
        err.print(f"[bold red]error:[/] {_escaped(error.message)}")
        if error.hint:
            err.print(f"[dim]hint: {_escaped(error.hint)}[/]")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except TyperException as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        err.print(f"[bold red]error:[/] {_escaped(said)}")
        err.print("[dim]hint: add --help to see what the verb takes[/]")
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from saying so on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback for a user
        return _unexpected(error)
    if code == INTERRUPTED:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    err.print("interrupted; what was stored before is unchanged")
    return INTERRUPTED


def _unexpected(error: Exception) -> int:
    text = traceback.format_exc()
    if os.environ.get("RIPOSTE_DEBUG"):
        err.print(_escaped(text))
        return BROKEN
    with tempfile.NamedTemporaryFile(
        "w", prefix="riposte-error-", suffix=".txt", delete=False, dir=Path(tempfile.gettempdir())
    ) as file:
        file.write(text)
    err.print(
        f"[bold red]error:[/] something broke inside Riposte: {_escaped(type(error).__name__)}: "
        f"{_escaped(str(error))}"
    )
    err.print(f"[dim]hint: the full trace is in {file.name}; please report it[/]")
    return BROKEN


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    run()
