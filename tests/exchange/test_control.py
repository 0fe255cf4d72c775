"""The control API over a real socket: time, accounts, keys, what is there, and who may ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from desk import Desk, desk_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sim_world import MINUTE, START, Client, QuietFeed, new_sim

from riposte.exchange.clock import RunningClock
from riposte.exchange.control.routes import Control
from riposte.exchange.faults.kinds import KINDS
from riposte.exchange.journal import head_of
from riposte.exchange.server import serve
from riposte.exchange.simulator import Simulator


def run(work: Callable[[Desk, Client], Awaitable[None]], sim: Simulator | None = None) -> None:
    async def inside() -> None:
        async with desk_of(sim or new_sim()) as (desk, client):
            await work(desk, client)

    asyncio.run(inside())


def test_time_passes_when_told_and_all_in_between_has_happened() -> None:
    async def work(desk: Desk, client: Client) -> None:
        assert (await desk.get("/status"))["clock"] == {"kind": "stepped"}
        said = await desk.post("/clock", {"advance_ms": 30 * MINUTE})
        assert said["now_ms"] == START + 2_000 + 30 * MINUTE
        assert (await client.ask("/fapi/v1/time"))["serverTime"] == said["now_ms"]
        trades = await client.ask("/fapi/v1/trades", symbol="BTCUSDT", limit=1)
        assert trades[0]["time"] > said["now_ms"] - 2_000
        assert "stepped" in await desk.refused("/clock", {"speed": 2})

    run(work)


def test_a_running_clock_keeps_a_leap_longer_than_one_look() -> None:
    async def work(desk: Desk, _: Client) -> None:
        assert (await desk.get("/status"))["clock"] == {"kind": "running", "speed": 50}
        assert (await desk.post("/clock", {"speed": 0}))["clock"]["speed"] == 0
        before = (await desk.get("/status"))["now_ms"]
        leap = 40 * MINUTE  # far more events than are played between two looks at the sockets
        assert (await desk.post("/clock", {"advance_ms": leap}))["now_ms"] == before + leap
        assert (await desk.get("/status"))["now_ms"] == before + leap

    run(work, Simulator(QuietFeed(), RunningClock(START, 50.0)))


def test_a_pause_at_the_walls_own_pace_is_made_up_for() -> None:
    wall = [0.0]
    clock = RunningClock(START, 1.0, wall=lambda: wall[0])
    sim = Simulator(QuietFeed(), clock)
    wall[0] = 600.0  # the machine slept for ten minutes
    assert not sim.pump(100)
    while not sim.pump(100):
        pass
    assert sim.exchange.now_ms == START + 600_000
    clock.speed = 100.0
    wall[0] = 601.0
    assert not sim.pump(100)
    assert clock.now_ms() == sim.exchange.now_ms < START + 700_000  # it falls back instead


def test_an_account_and_a_key_of_ones_own() -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def work(desk: Desk, client: Client) -> None:
        opened = await desk.post("/accounts", {"name": "bob", "deposit": "250.5"})
        assert opened["wallet"] == "250.50000000"
        made = await desk.post("/keys", {"account": "bob"})
        client.key, client.secret = made["key"], made["secret"]
        assert (await client.call("GET", "/fapi/v3/balance"))[0]["balance"] == "250.50000000"
        given = await desk.post("/keys", {"account": "bob", "public_pem": pem.decode()})
        assert given["secret"] == ""
        assert {each["name"] for each in await desk.get("/accounts")} == {"alice", "bob"}
        assert "already" in await desk.refused("/accounts", {"name": "bob"})
        assert "deposit" in await desk.refused("/accounts", {"name": "eve", "deposit": -1})
        assert "say which" in await desk.refused("/keys", {})
        assert "already" in await desk.refused("/keys", {"account": "bob", "key": made["key"]})
        assert "did you mean 'bob'" in await desk.refused("/keys", {"account": "bop"})
        assert "leave one out" in await desk.refused(
            "/keys", {"account": "bob", "secret": "x", "public_pem": pem.decode()}
        )

    run(work)


def test_what_is_really_there() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await client.order("BUY", "0.5", "49900")
        await client.order("BUY", "0.2")
        alice = await desk.get("/accounts", name="alice")
        assert alice["positions"][0]["positionAmt"] == "0.200"
        assert [o["price"] for o in alice["open_orders"]] == ["49900.0"]
        assert (alice["orders"], alice["fills"]) == (2, 1)
        book = await desk.get("/book", symbol="BTCUSDT", limit=100)
        [mine] = [row for row in book["bids"] if row[0] == "49900.0"]
        assert float(mine[1]) - float(mine[2]) == 0.5  # what is not the market's own
        assert len((await desk.get("/book", limit=3))["asks"]) == 3
        assert (await desk.get("/invariants")) == {"breaches": []}
        status = await desk.get("/status")
        assert status["symbols"]["BTCUSDT"]["bid"] < status["symbols"]["BTCUSDT"]["ask"]

    run(work)


def test_the_journal_can_be_read_and_checked() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await client.order("BUY", "0.1")
        whole = await desk.get("/journal")
        assert whole["count"] == len(whole["lines"])
        assert head_of([line.encode() for line in whole["lines"]]) == whole["head"]
        rest = await desk.get("/journal", first=whole["count"] - 2)
        assert rest["lines"] == whole["lines"][-2:]
        assert "first" in (await desk.send("GET", "/journal?first=-1", status=400))["error"]

    run(work)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Origin": "https://evil.example"}, "web pages of 'https://evil.example'"),
        ({"Origin": "null"}, "web pages"),
        ({"Host": "evil.example"}, "host 'evil.example'"),
        ({"Host": "127.0.0.1.evil.example:80"}, "host"),
        ({"Host": ""}, "host"),
    ],
)
def test_foreign_pages_and_rebound_names_are_refused(headers: dict[str, str], why: str) -> None:
    async def work(desk: Desk, _: Client) -> None:
        for method, path in (("GET", "/status"), ("POST", "/act"), ("GET", "/nothing")):
            said = await desk.send(method, path, {}, status=403, headers=headers)
            assert why in said["error"]

    run(work)


def test_a_form_of_a_web_page_is_refused_and_the_own_origin_is_not() -> None:
    async def work(desk: Desk, client: Client) -> None:
        url = f"{client.url}/sim/v1/act"
        plain = {"Content-Type": "text/plain"}
        async with client.session.post(url, data='{"kind": "ban"}', headers=plain) as answer:
            assert answer.status == 403
        assert (await client.ask("/fapi/v1/ping")) == {}
        own = {"Origin": client.url}
        await desk.send("POST", "/act", {"kind": "skew", "skew_ms": 5}, headers=own)

    run(work)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/clock", {}, "one of 'advance_ms' and 'speed' is needed"),
        ("/clock", {"advance": 5}, "did you mean 'advance_ms'"),
        ("/clock", {"advance_ms": -1}, "between 0 and"),
        ("/clock", {"advance_ms": "5"}, "must be a whole number"),
        ("/clock", [], "must be a table"),
        ("/act", {}, "needs 'kind'"),
        ("/act", {"kind": "banish"}, "did you mean 'ban'"),
        ("/act", {"kind": "liquidate"}, "no position to liquidate"),
        ("/act", {"kind": "transfer", "amount": -(10**9)}, "Balance"),
        ("/faults", {"rules": [{"do": {"kind": "lose"}}], "act": []}, "did you mean 'acts'"),
        ("/faults", {"rules": [{"when": {}}]}, "rules[0] needs 'do'"),
        ("/catalogue/F99", {}, "no 'F99'"),
        ("/catalogue/F05", {}, "client's side only"),
        ("/catalogue/F13", {}, "needs no fault"),
        ("/catalogue/F01", {"account": "alise"}, "did you mean 'alice'"),
        ("/catalogue/F01", {"symbol": "BTCUSD"}, "did you mean 'BTCUSDT'"),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(path: str, body: Any, said: str) -> None:
    async def work(desk: Desk, _: Client) -> None:
        before = await desk.get("/status")
        text = await desk.refused(path, body)
        assert said in text
        assert "\n" not in text
        after = await desk.get("/status")
        for name in ("accounts", "symbols", "switches", "limits", "now_ms"):
            assert after[name] == before[name]
        assert (await desk.get("/faults"))["rules"] == []

    run(work)


def test_wrong_paths_methods_and_json_are_told() -> None:
    async def work(desk: Desk, client: Client) -> None:
        unknown = await desk.send("GET", "/statsu", status=404)
        assert "did you mean '/sim/v1/status'" in unknown["error"]
        wrong = await desk.send("POST", "/status", status=405)
        assert "takes GET" in wrong["error"]
        url = f"{client.url}/sim/v1/act"
        for raw in (b"{", b"\xff\xfe", b"nothing"):
            headers = {"Content-Type": "application/json"}
            async with client.session.post(url, data=raw, headers=headers) as answer:
                assert answer.status == 400
                assert "no JSON" in (await answer.json())["error"]

    run(work)


class BrokenFeed(QuietFeed):
    """A feed that fails after five seconds."""

    def events(self) -> Any:
        for event in super().events():
            if event.time_ms > START + 5_000:
                raise RuntimeError("the lake has a hole")
            yield event


def test_an_exchange_whose_time_stopped_does_not_go_on() -> None:
    sim = Simulator(BrokenFeed(), RunningClock(START, 1_000.0))

    async def inside() -> None:
        async with serve(sim):
            await asyncio.sleep(30)

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="the lake has a hole"):
        asyncio.run(inside())
    assert time.monotonic() - begun < 20


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FIELDS = ["kind", "name", "account", "symbol", "deposit", "advance_ms", "speed", "rules", "acts",
          "seed", "key", "secret", "public_pem", "amount", "by_percent", "price_grid"]  # fmt: skip
BODIES = JUNK | st.dictionaries(
    st.sampled_from(FIELDS), JUNK | st.sampled_from(sorted(KINDS)), max_size=4
)


def test_whatever_is_sent_is_answered_or_refused_and_nothing_breaks() -> None:
    paths = [r.path.replace("{row}", "F01") for r in Control(new_sim()).routes()[:-1]]

    async def ask(desk: Desk, path: str, body: Any) -> None:
        url = f"{desk.client.url}{path}"
        raw = json.dumps(body)
        headers = {"Content-Type": "application/json"}
        async with desk.client.session.post(url, data=raw, headers=headers) as answer:
            assert answer.status in (200, 400, 405), (path, raw, await answer.text())

    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        context = desk_of(new_sim(feed=QuietFeed(minutes=10**5)))
        desk, _ = runner.run(context.__aenter__())
        stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))

        @settings(max_examples=300, deadline=None)
        @given(st.sampled_from(paths), BODIES)
        def fuzz(path: str, body: Any) -> None:
            assume(not (isinstance(body, dict) and body.get("advance_ms")))  # only takes its time
            runner.run(ask(desk, path, body))

        fuzz()
        assert runner.run(desk.get("/invariants")) == {"breaches": []}
