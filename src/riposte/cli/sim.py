"""``riposte sim``: an exchange of one's own, on this machine, for any bot to trade on."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from riposte.cli.display import err, out, print_json
from riposte.cli.options import ConfigFiles, Given, Json, Seed, SymbolList
from riposte.cli.sim_markets import Wanted, market_feed
from riposte.errors import InputError, StorageError
from riposte.exchange.clock import Clock, RunningClock, SteppedClock
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.journal import Journal
from riposte.exchange.keys import ApiKey
from riposte.exchange.switches import Switches, switches_of
from riposte.exchange.units import E8, parse_e8
from riposte.market.interval import MILLISECOND_NS
from riposte.market.series import format_time

if TYPE_CHECKING:
    from riposte.exchange.faults.script import Script
    from riposte.exchange.simulator import Simulator

_ACCOUNT = "main"
_LOOK_S = 0.25

FeedName = Annotated[
    str, typer.Option("--feed", help="What is traded: synthetic, candles, trades or l2.")
]
BarSize = Annotated[
    str | None,
    typer.Option("-i", "--interval", help="Candles that are played; without it 1m, or the finest."),
]
Start = Annotated[
    str | None,
    typer.Option("--start", help="20240131 or 2024-01-31T12:00 UTC; synthetic: now; else the end."),
]
Days = Annotated[float, typer.Option("--days", min=0.001, help="How long there is a market.")]
Bars = Annotated[
    int | None, typer.Option("--bars", min=1, help="The same in candles, instead of --days.")
]
LakeFolder = Annotated[
    Path | None, typer.Option("--lake", help="Folder of stored history; overrides data.lake.")
]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="A recorded order book, for --feed l2; may be repeated."),
]
Speed = Annotated[
    float, typer.Option("--speed", min=0.001, max=1e6, help="Exchange seconds per second.")
]
Stepped = Annotated[
    bool, typer.Option("--stepped", help="Time stands still until the control API moves it.")
]
Port = Annotated[int, typer.Option("--port", min=0, max=65_535, help="0: any that is free.")]
Host = Annotated[str, typer.Option("--host", help="A loopback address; no other is served.")]
Deposit = Annotated[str, typer.Option("--deposit", help="USDT in the account.")]
Key = Annotated[str, typer.Option("--key", help="API key; without it one is made up.")]
Secret = Annotated[str, typer.Option("--secret", help="Its secret; without it one is made up.")]
PublicKey = Annotated[
    Path | None,
    typer.Option("--public-key", help="PEM file of an Ed25519 or RSA key, instead of a secret."),
]
JournalFile = Annotated[
    Path | None, typer.Option("--journal", help="New file for all that is asked and happens.")
]
FaultList = Annotated[
    list[str] | None,
    typer.Option(
        "--faults", help="What goes wrong: a TOML file, or rows of the catalogue: F01,F14."
    ),
]
SwitchList = Annotated[
    list[str] | None,
    typer.Option("--switch", help="name=value: what Binance leaves open; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("sim")(sim)


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Where it is served, and to whom."""

    host: str
    port: int
    deposit_e8: int
    key: str
    secret: str
    public_pem: str


def sim(
    feed: FeedName = "synthetic",
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    interval: BarSize = None,
    start: Start = None,
    days: Days = 7.0,
    bars: Bars = None,
    lake: LakeFolder = None,
    folder: Folders = None,
    speed: Speed = 1.0,
    stepped: Stepped = False,
    seed: Seed = None,
    host: Host = "127.0.0.1",
    port: Port = 9777,
    deposit: Deposit = "10000",
    key: Key = "",
    secret: Secret = "",
    public_key: PublicKey = None,
    switch: SwitchList = None,
    faults: FaultList = None,
    journal: JournalFile = None,
    json: Json = False,
) -> None:
    """Serve a simulated exchange on this machine that speaks Binance USD-M futures' protocol."""
    from riposte.exchange.server import refuse_foreign

    refuse_foreign(host)
    access = Access(
        host, port, _usdt(deposit), key, secret, _pem(public_key, secret_given=bool(secret))
    )
    chosen = switches_of(switch or ())
    more = {} if lake is None else {"data.lake": str(lake), "data.store": "lake"}
    settings = Given(config=config, symbols=symbols, seed=seed).load(**more).settings
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    wanted = Wanted(feed, interval, start, days, bars, folder or (), speed, now_ms * MILLISECOND_NS)
    market = market_feed(settings, wanted)
    present = feed == "synthetic" and start is None and speed == 1 and not stepped
    if not present and not any(each.startswith("timestamps=") for each in switch or ()):
        chosen = dataclasses.replace(chosen, timestamps="ignore")
    begin_ms = now_ms if present else market.start_ms
    scripts = list(_scripts(faults or (), begin_ms))
    clock: Clock = SteppedClock(begin_ms) if stepped else RunningClock(begin_ms, speed)
    for note in market.notes:
        err.print(note)
    title = f"synthetic market, seed {settings.model.seed}" if feed == "synthetic" else feed
    with _journal(journal) as kept:
        simulator = _simulator(market, clock, chosen, kept, scripts)
        asyncio.run(_serve(simulator, market, access, title, json=json))


def _usdt(text: str) -> int:
    amount = parse_e8(text)
    if amount is None or not 0 <= amount <= 10**12 * E8:
        raise InputError(f"deposit {text!r} is not an amount of USDT: write it like 10000")
    return amount


def _pem(path: Path | None, *, secret_given: bool) -> str:
    """The text of a public key's file, "" without one."""
    if path is None:
        return ""
    if secret_given:
        raise InputError("--public-key stands instead of a secret: leave --secret out")
    from riposte.exchange.keys import public_key

    try:
        text = path.read_text()
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a public key") from error
    public_key(text)
    return text


@contextmanager
def _journal(path: Path | None) -> Iterator[Journal]:
    """A journal that is written to a new file, line by line, or only chained."""
    if path is None:
        yield Journal(keep=False)
        return
    try:
        file = path.open("xb", buffering=0)
    except FileExistsError:
        raise InputError(f"{path} exists already: a journal is written to a new file") from None
    except OSError as error:
        raise StorageError(f"the journal cannot be written to {path}: {error.strerror}") from error
    with file:
        yield Journal(keep=False, sink=file.write)


def _simulator(
    feed: ComposedFeed,
    clock: Clock,
    switches: Switches,
    journal: Journal,
    scripts: Sequence[Script],
) -> Simulator:
    """The exchange at its first moment, and what will go wrong with it."""
    from riposte.exchange.faults.plan import FaultPlan
    from riposte.exchange.simulator import Simulator

    simulator = Simulator(feed, clock, switches=switches, journal=journal)
    simulator.pump()
    if scripts:
        simulator.faults = FaultPlan(journal)
        for script in scripts:
            script.add_to(simulator.faults)
    return simulator


def _scripts(faults: Sequence[str], now_ms: int) -> Iterator[Script]:
    """Files, and rows of the catalogue by their numbers.

    Raises:
        InputError: if there is no such file or row, or it means nothing.
    """
    from riposte.exchange.faults.catalogue import script_of
    from riposte.exchange.faults.script import load

    for each in faults:
        rows = [row.strip() for row in each.split(",")]
        if all(re.fullmatch(r"F\d+", row) for row in rows):
            yield from (script_of(row, now_ms, account=_ACCOUNT) for row in rows)
        else:
            yield load(Path(each), now_ms)


async def _serve(
    simulator: Simulator, feed: ComposedFeed, access: Access, title: str, *, json: bool
) -> None:
    """Serve until interrupted; say so when the feed has nothing more."""
    from riposte.exchange.collector import collect_seldom
    from riposte.exchange.server import serve

    collect_seldom()

    account = simulator.open_account(_ACCOUNT, access.deposit_e8)
    key = simulator.add_key(
        account, key=access.key, secret=access.secret, public_pem=access.public_pem
    )
    async with serve(simulator, access.host, access.port) as address:
        _announce(address, key, feed, simulator, title, json=json)
        while simulator.exchange.now_ms < feed.end_ms:
            await asyncio.sleep(_LOOK_S)
        err.print(f"{_moment(feed.end_ms)}: the market has ended; the exchange goes on without one")
        await asyncio.Event().wait()


def _announce(
    address: str,
    key: ApiKey,
    feed: ComposedFeed,
    simulator: Simulator,
    title: str,
    *,
    json: bool,
) -> None:
    clock = simulator.clock
    symbols = [contract.symbol for contract in feed.contracts]
    stream = address.replace("http", "ws", 1)
    secret = key.secret.decode()
    if json:
        print_json(
            {
                "address": address,
                "stream": stream,
                "key": key.key,
                "secret": secret,
                "symbols": symbols,
                "from": _moment(feed.start_ms),
                "until": _moment(feed.end_ms),
                "now": clock.now_ms(),
            }
        )
        sys.stdout.flush()
        return
    for name, value in _rows(address, stream, key, secret, feed, simulator, symbols, title):
        out.print(f"{name:<9} {value}")
    if simulator.switches.timestamps == "ignore":
        out.print("Requests' timestamps are not checked: the exchange's time is not your clock's.")
    out.print("Ctrl-C ends it.")


def _rows(
    address: str,
    stream: str,
    key: ApiKey,
    secret: str,
    feed: ComposedFeed,
    simulator: Simulator,
    symbols: Sequence[str],
    title: str,
) -> Iterator[tuple[str, str]]:
    clock = simulator.clock
    yield "REST", address
    yield "streams", stream
    yield "key", key.key
    yield "secret", secret or "none: signed with your private key"
    yield "market", f"{', '.join(symbols)} ({title})"
    yield "time", f"{_moment(clock.now_ms())}, until {_moment(feed.end_ms)}"
    pace = f"{clock.speed:g} exchange seconds a second" if isinstance(clock, RunningClock) else ""
    yield "pace", pace or "stepped: it stands still until it is told"
    if plan := simulator.faults:
        yield "faults", f"{len(plan.rules)} rules, {len(plan.acts)} acts to come"


def _moment(time_ms: int) -> str:
    return format_time(time_ms * MILLISECOND_NS)
