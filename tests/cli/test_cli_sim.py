"""``riposte sim`` as a user starts it: it says where it is, answers, and ends in order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import polars as pl
import pytest
import requests
from console import COMMAND, Riposte, environment
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from riposte.exchange.journal import head_of
from riposte.exchange.switches import Switches, switches_of
from riposte.sources.level2 import read_level2
from riposte.stores.lake import Lake

INTERRUPTED = 130


@dataclass
class Served:
    """A running exchange and what it said of itself."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    def ask(self, path: str, **values: Any) -> Any:
        answer = requests.get(self.said["address"] + path, params=values, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def signed(self, path: str, sign: Any = None, **values: Any) -> Any:
        now = self.ask("/fapi/v1/time")["serverTime"]
        text = urlencode({**values, "timestamp": now})
        made = sign(text) if sign else self.hmac(text)
        answer = requests.get(
            f"{self.said['address']}{path}?{text}&{urlencode({'signature': made})}",
            headers={"X-MBX-APIKEY": self.said["key"]},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json()

    def hmac(self, text: str) -> str:
        return hmac.new(self.said["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; the exit code and what it said then."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextmanager
def served(folder: Path, *arguments: str, **more: str) -> Iterator[Served]:
    process = subprocess.Popen(
        [*COMMAND, "sim", "--port", "0", "--json", *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        assert text, process.stderr.read()
        yield Served(process, json.loads(text))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("sim"), "--days", "1", "--deposit", "2500.5") as running:
        yield running


def test_its_time_is_the_present(synthetic: Served) -> None:
    before = time.time() * 1000
    told = synthetic.ask("/fapi/v1/time")["serverTime"]
    after = time.time() * 1000
    assert before - 10_000 < told < after + 10_000  # a busy machine may fall a little behind


def test_it_serves_history_of_what_it_trades(synthetic: Served) -> None:
    assert synthetic.said["symbols"] == ["BTCUSDT", "ETHUSDT"]
    listed = synthetic.ask("/fapi/v1/exchangeInfo")["symbols"]
    assert [each["symbol"] for each in listed] == synthetic.said["symbols"]
    rows = synthetic.ask("/fapi/v1/klines", symbol="BTCUSDT", interval="1m", limit=1_500)
    assert len(rows) == 1_500
    opens = [row[0] for row in rows]
    assert opens == list(range(opens[0], opens[0] + 1_500 * 60_000, 60_000))
    assert opens[-1] <= synthetic.ask("/fapi/v1/time")["serverTime"] < opens[-1] + 120_000
    book = synthetic.ask("/fapi/v1/depth", symbol="ETHUSDT", limit=20)
    assert len(book["bids"]) == len(book["asks"]) == 20


def test_the_key_it_prints_opens_an_account_with_the_deposit(synthetic: Served) -> None:
    assets = synthetic.signed("/fapi/v2/balance")
    assert next(a["balance"] for a in assets if a["asset"] == "USDT") == "2500.50000000"


def test_ctrl_c_ends_it_in_one_line(tmp_path: Path) -> None:
    with served(tmp_path, "--bars", "5", "-p", "BTCUSDT") as running:
        code, errors = running.interrupt()
    assert code == INTERRUPTED
    assert errors.strip() == "interrupted; what was stored before is unchanged"


def test_a_person_is_told_where_it_is_and_how_long(tmp_path: Path) -> None:
    command = [
        *COMMAND,
        "sim",
        "--port",
        "0",
        "-p",
        "BTCUSDT",
        "--start",
        "20240101",
        "--bars",
        "9",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
    finally:
        process.kill()
        process.communicate()
    names = [line.split()[0] for line in lines]
    assert names[:7] == ["REST", "streams", "key", "secret", "market", "time", "pace"]
    assert "BTCUSDT (synthetic market, seed 7)" in lines[4]
    assert "2024-01-01 00:00" in lines[5]
    assert "until 2024-01-01 00:09 UTC" in lines[5]
    assert "timestamps are not checked" in lines[7]


def test_recorded_candles_are_served_and_go_on(
    riposte: Riposte, market_data: Path, tmp_path: Path
) -> None:
    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    arguments = ("--feed", "candles", "-p", "BTCUSDT", "-i", "1h", "--start", "2024-06-01", "--days", "2",
                 "--lake", "data/lake", "--speed", "20000")  # fmt: skip
    with served(tmp_path, *arguments) as running:
        start = 1_717_200_000_000
        while running.ask("/fapi/v1/time")["serverTime"] < start + 4 * 3_600_000:
            time.sleep(0.2)
        rows = running.ask(
            "/fapi/v1/klines",
            symbol="BTCUSDT",
            interval="1h",
            startTime=start - 20 * 3_600_000,
            endTime=start + 3 * 3_600_000,
        )
        funding = running.ask("/fapi/v1/fundingRate", symbol="BTCUSDT", limit=5)
    recorded = pl.read_parquet(market_data / "klines" / "BTCUSDT-1h.parquet").filter(
        pl.col("open_time").is_between(start - 20 * 3_600_000, start + 3 * 3_600_000)
    )
    assert [row[0] for row in rows] == recorded["open_time"].to_list()
    for column, name in enumerate(("open", "high", "low", "close", "volume"), 1):
        assert [float(row[column]) for row in rows] == recorded[name].to_list()
    assert len(funding) == 5


def test_recorded_trades_are_served(market_data: Path, tmp_path: Path) -> None:
    recorded = read_level2(market_data / "l2" / "BTCUSDT-20230404").trades.series
    Lake(tmp_path / "lake").write(recorded)
    begin = (int(recorded.event_time[0]) // 10**6) // 60_000 * 60_000 + 60_000
    start = datetime.fromtimestamp(begin / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    arguments = ("--feed", "trades", "-p", "BTCUSDT", "--start", start, "--days", "0.002",
                 "--lake", "lake", "--stepped")  # fmt: skip
    with served(tmp_path, *arguments) as running:
        url = running.said["address"] + "/sim/v1/clock"
        requests.post(url, json={"advance_ms": 90_000}, timeout=60).raise_for_status()
        rows = running.ask("/fapi/v1/trades", symbol="BTCUSDT", limit=1000)
    within = recorded.between((begin + 1) * 10**6, (begin + 90_000) * 10**6)
    told = [(row["time"], float(row["price"])) for row in rows if row["time"] > begin]
    wanted = list(zip((within.event_time // 10**6).tolist(), within["price"].tolist(), strict=True))
    assert len(told) > 100
    assert told == wanted[-len(told) :]


def test_a_recorded_book_is_served(market_data: Path, tmp_path: Path) -> None:
    folder = str(market_data / "l2" / "BTCUSDT-20240718")
    with served(tmp_path, "--feed", "l2", "--folder", folder, "--stepped") as running:
        assert running.said["from"].startswith("2024-07-18 23:5")
        book = running.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
        assert len(book["bids"]) == len(book["asks"]) == 1000
        assert 0 < float(book["asks"][0][0]) - float(book["bids"][0][0]) < 50
        first = running.ask("/fapi/v1/time")
        time.sleep(0.3)
        assert running.ask("/fapi/v1/time") == first  # it stands still until it is told


def test_a_journal_is_written_and_never_overwritten(riposte: Riposte, tmp_path: Path) -> None:
    with served(tmp_path, "--bars", "5", "-p", "BTCUSDT", "--journal", "it.jsonl") as running:
        running.interrupt()
    lines = (tmp_path / "it.jsonl").read_bytes().splitlines()
    assert json.loads(lines[0])[2:] == ["open-account", "main"]
    assert len(head_of(lines)) == 64
    again = riposte("sim", "--bars", "5", "--journal", "it.jsonl")
    assert again.returncode == 2
    assert "it.jsonl exists already" in again.stderr


def test_faults_are_read_from_files_and_from_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        '[[rules]]\nwhen = { path = "/fapi/v1/ping" }\ndo = { kind = "answer", says = "internal" }\n'
    )
    arguments = ("--bars", "5", "-p", "BTCUSDT", "--faults", "bad.toml", "--faults", "F01,F20")
    with served(tmp_path, *arguments) as running:
        ping = requests.get(running.said["address"] + "/fapi/v1/ping", timeout=30)
        assert (ping.status_code, ping.json()["code"]) == (503, -1001)
        planned = running.ask("/sim/v1/faults")
        assert [rule["name"] for rule in planned["rules"]] == ["answer", "F01"]
        assert [each["kind"] for each in running.ask("/sim/v1/faults/log")] == ["skew", "answer"]


def test_a_stepped_exchange_is_moved_through_the_control_api(tmp_path: Path) -> None:
    with served(tmp_path, "--bars", "30", "-p", "BTCUSDT", "--stepped") as running:
        first = running.ask("/fapi/v1/time")["serverTime"]
        url = running.said["address"] + "/sim/v1/clock"
        moved = requests.post(url, json={"advance_ms": 600_000}, timeout=30).json()
        assert moved["now_ms"] == first + 600_000 == running.ask("/fapi/v1/time")["serverTime"]
        assert running.ask("/sim/v1/invariants") == {"breaches": []}


def test_a_public_key_opens_the_account_too(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    arguments = ("--bars", "5", "-p", "BTCUSDT", "--public-key", "key.pem", "--key", "mine")
    with served(tmp_path, *arguments) as running:
        assert running.said["key"] == "mine"
        assert running.said["secret"] == ""
        account = running.signed(
            "/fapi/v3/account",
            lambda text: base64.b64encode(private.sign(text.encode())).decode(),
        )
    assert account["totalWalletBalance"] == "10000.00000000"


MISTAKES = [
    (("--host", "0.0.0.0"), 2, "0.0.0.0 is not a loopback address"),
    (("--host", "example.com"), 2, "not a loopback address"),
    (("--port", "70000"), 2, "--port"),
    (("--feed", "candels"), 2, "did you mean 'candles'"),
    (("--deposit", "much"), 2, "not an amount of USDT"),
    (("--deposit", "-5"), 2, "not an amount of USDT"),
    (("--start", "yesterday"), 2, "write it like 20240131"),
    (("-i", "7m"), 2, "interval '7m' is not known"),
    (("-p", "BTCEUR"), 2, "BTC/USDT:USDT"),
    (("--switch", "legacy_route=true"), 2, "did you mean 'legacy_routes'"),
    (("--switch", "legacy_routes=maybe"), 2, "legacy_routes=true or legacy_routes=false"),
    (("--switch", "wrong_route"), 2, "wrong_route=silent"),
    (("--feed", "l2"), 2, "--folder"),
    (("--folder", "x"), 2, "goes with --feed l2"),
    (("--feed", "l2", "--folder", "nowhere"), 2, "not a recorded order book"),
    (("--feed", "candles"), 3, "no candles of BTCUSDT"),
    (("--feed", "trades"), 3, "no trades of BTCUSDT"),
    (("--public-key", "nowhere.pem"), 2, "there is no file nowhere.pem"),
    (("--public-key", "x", "--secret", "y"), 2, "leave --secret out"),
    (("--speed", "0"), 2, "--speed"),
    (("--faults", "F1"), 2, "the catalogue has no 'F1'"),
    (("--faults", "F01,F05"), 2, "F05 is the client's side only"),
    (("--faults", "nowhere.toml"), 2, "nowhere.toml cannot be read"),
    (("--bars", "5", "--journal", "nowhere/it.jsonl"), 4, "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES, ids=lambda v: str(v)[:40])
def test_a_mistake_gets_one_sentence_and_an_exit_code(
    riposte: Riposte, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = riposte("sim", *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1


def test_a_port_that_is_taken_is_said(riposte: Riposte) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = riposte("sim", "--bars", "5", "-p", "BTCUSDT", "--port", str(port))
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1" in done.stderr


def test_switches_are_set_by_name() -> None:
    assert switches_of([]) == Switches()
    set_ = switches_of(["order_answer=before", "trade_stream=false", "unknown_parameters=refuse"])
    assert set_ == Switches(order_answer="before", trade_stream=False, unknown_parameters="refuse")
