"""Binance's official SDK, unmodified but for the address, lives a whole trading life (acceptance 1).

The SDK makes models of its own of what it is told. Where something does not fit it only logs so and
goes on with the raw text, so every test here fails if the SDK logs anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any

import binance_common.configuration as configs
import binance_sdk_derivatives_trading_usds_futures as sdk
import pytest
from Crypto.PublicKey import ECC, RSA
from live_world import Live, eventually, live, until_listening
from pydantic import BaseModel
from sim_world import KEY, SECRET

SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
PATIENCE_MS = 10_000  # by itself it gives up after a second, too soon on a busy machine
pytestmark = [
    # The way it hands its WebSocket timeout on to aiohttp.
    pytest.mark.filterwarnings("ignore:parameter 'timeout' of type:DeprecationWarning"),
    pytest.mark.usefixtures("no_complaints"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[Live]:
    with live() as running:
        yield running


@pytest.fixture
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    said = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert said == []


def rest_of(world: Live, key: str = KEY, secret: Any = SECRET, pem: Any = None) -> Any:
    config = configs.ConfigurationRestAPI(key, secret, world.url, PATIENCE_MS, private_key=pem)
    return sdk.DerivativesTradingUsdsFutures(config_rest_api=config).rest_api


@pytest.fixture(scope="module")
def rest(world: Live) -> Iterator[Any]:
    client = rest_of(world)
    with closing(client._session):  # it keeps its connections and has no way to close them
        yield client


@pytest.fixture
def flat(world: Live, rest: Any) -> Iterator[None]:
    """Whatever a test leaves is not the next one's."""
    yield
    eventually(lambda: not world.sim.connections)  # nor is who listens
    rest.cancel_all_open_orders(SYMBOL)
    rest.cancel_all_algo_open_orders(SYMBOL)
    for held in rest.position_information_v3().data():
        rest.new_order(held.symbol, "SELL", "MARKET", quantity=held.position_amt)  # all are long


def models(answer: Any) -> Iterator[BaseModel]:
    """The models of an answer at whatever depth, without the wrappers of "one of these"."""
    if isinstance(answer, list):
        for item in answer:
            yield from models(item)
    elif getattr(answer, "actual_instance", None) is not None:
        yield from models(answer.actual_instance)
    elif isinstance(answer, BaseModel):
        yield answer
        for name in type(answer).model_fields:
            yield from models(getattr(answer, name))


def gaps(answer: Any) -> tuple[set[str], set[str]]:
    """Which of the models' fields stay empty in every row; which of the answer's they don't know."""
    known: dict[tuple[type, str], bool] = {}
    beyond: set[str] = set()
    for row in models(answer):
        beyond |= set(getattr(row, "additional_properties", ()))
        for name, field in type(row).model_fields.items():
            which = type(row), field.alias or name
            known[which] = known.get(which, False) or getattr(row, name) is not None
    assert known, f"no model of the SDK: {answer!r}"
    return {name for (_, name), filled in known.items() if not filled}, beyond


FULL: tuple[set[str], set[str]] = (set(), set())
# What the models have and the exchange need not tell, and what it may tell beyond them.
MARKET_DATA: list[tuple[str, tuple[str, ...], set[str], set[str]]] = [
    ("check_server_time", (), *FULL),
    ("exchange_information", (), set(), {"futuresType", "positionControlSide", "notionalLimit"}),
    ("order_book", (SYMBOL,), *FULL),
    ("recent_trades_list", (SYMBOL,), {"isRPITrade"}, set()),
    ("mark_price", (SYMBOL,), *FULL),
    ("get_funding_rate_history", (SYMBOL,), {"rateType"}, set()),
    ("get_funding_rate_info", (), *FULL),
    ("ticker24hr_price_change_statistics", (SYMBOL,), *FULL),
    ("symbol_order_book_ticker", (SYMBOL,), set(), {"lastUpdateId"}),
    ("open_interest", (SYMBOL,), *FULL),
    ("open_interest_statistics", (SYMBOL, "5m"), {"CMCCirculatingSupply"}, set()),
    ("long_short_ratio", (SYMBOL, "5m"), *FULL),
    ("taker_buy_sell_volume", (SYMBOL, "5m"), *FULL),
    ("basis", (SYMBOL, "PERPETUAL", "5m"), *FULL),
]


@pytest.mark.parametrize(("name", "args", "untold", "beyond"), MARKET_DATA)
def test_market_data_fills_the_models(
    rest: Any, name: str, args: tuple[str, ...], untold: set[str], beyond: set[str]
) -> None:
    answer = eventually(lambda: getattr(rest, name)(*args).data())  # trades come by and by
    missing, unknown = gaps(answer)
    assert missing <= untold
    assert unknown <= beyond


@pytest.mark.parametrize("of", ["", "index_price_", "mark_price_", "premium_index_"])
def test_candles(rest: Any, of: str) -> None:
    name = f"{of}kline_data" if of == "premium_index_" else f"{of}kline_candlestick_data"
    rows = getattr(rest, name)(SYMBOL, "1m", limit=10).data()
    assert [len(row) for row in rows] == [12] * 10


def test_the_numbers_are_the_markets(rest: Any) -> None:
    assert {row.symbol for row in rest.exchange_information().data().symbols} == {SYMBOL, OTHER}
    answer = rest.order_book(SYMBOL, 5)
    assert [float(row[0]) for row in answer.data().asks] == [50_000 + n for n in range(1, 6)]
    assert float(rest.mark_price(SYMBOL).data().actual_instance.mark_price) == 50_000
    assert answer.rate_limits[0].rateLimitType == "REQUEST_WEIGHT"


def test_settings(rest: Any) -> None:
    assert rest.change_initial_leverage(SYMBOL, 7).data().leverage == 7
    assert rest.change_margin_type(OTHER, "ISOLATED").data().code == 200
    for both in (True, False):
        assert rest.change_position_mode(str(both).lower()).data().code == 200
        assert rest.get_current_position_mode().data().dual_side_position is both
    kept = {row.symbol: row.margin_type for row in rest.symbol_configuration().data()}
    assert kept == {SYMBOL: "CROSSED", OTHER: "ISOLATED"}


@pytest.mark.usefixtures("flat")
def test_a_resting_order(rest: Any) -> None:
    asked = {"time_in_force": "GTX", "quantity": 0.01, "price": 49_000}
    order = rest.new_order(SYMBOL, "BUY", "LIMIT", **asked).data()
    assert (order.status, order.time_in_force, gaps(order)) == ("NEW", "GTX", FULL)
    which = {"order_id": order.order_id}
    assert rest.query_order(SYMBOL, **which).data().price == "49000.0"
    assert rest.modify_order(SYMBOL, "BUY", 0.02, 49_100, **which).data().orig_qty == "0.020"
    assert [row.order_id for row in rest.current_all_open_orders(SYMBOL).data()] == [order.order_id]
    history = rest.get_order_modify_history(SYMBOL, **which).data()
    assert history[0].amendment.price.after == "49100.0"
    assert rest.cancel_order(SYMBOL, **which).data().status == "CANCELED"
    assert rest.query_order(SYMBOL, **which).data().status == "CANCELED"


@pytest.mark.usefixtures("flat")
def test_a_position_from_open_to_close(rest: Any) -> None:
    asked = {"quantity": 0.05, "new_order_resp_type": "RESULT"}
    bought = rest.new_order(SYMBOL, "BUY", "MARKET", **asked).data()
    assert (bought.status, bought.executed_qty) == ("FILLED", "0.050")
    (held,) = rest.position_information_v3(SYMBOL).data()
    assert (held.position_amt, gaps(held)) == ("0.050", FULL)
    closed = rest.new_order(SYMBOL, "SELL", "MARKET", reduce_only="true", **asked).data()
    assert (closed.status, closed.reduce_only) == ("FILLED", True)
    assert rest.position_information_v3(SYMBOL).data() == []
    fills = {row.order_id: row for row in rest.account_trade_list(SYMBOL).data()}
    assert (fills[bought.order_id].price, fills[closed.order_id].side) == ("50001.0", "SELL")
    moves = rest.get_income_history(symbol=SYMBOL).data()
    assert {row.income_type for row in moves} >= {"COMMISSION", "REALIZED_PNL"}


def test_the_books_balance(rest: Any) -> None:
    (balance,) = rest.futures_account_balance_v3().data()
    moved = sum(float(row.income) for row in rest.get_income_history(limit=1000).data())
    assert moved == pytest.approx(float(balance.balance), abs=1e-6)  # it begins with the deposit
    account = rest.account_information_v3().data()
    assert gaps(account) == FULL
    assert account.total_wallet_balance == balance.balance


@pytest.mark.usefixtures("flat")
def test_batches(rest: Any) -> None:
    leg = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 0.01}
    legs = [{**leg, "price": price} for price in ("48000", "60000000", "47000")]
    good, bad, other = rest.place_multiple_orders(legs).data()
    assert (good.status, bad.code, other.status) == ("NEW", -4016, "NEW")
    change = {"symbol": SYMBOL, "side": "BUY", "orderId": good.order_id, "quantity": 0.02}
    (changed,) = rest.modify_multiple_orders([{**change, "price": "48100"}]).data()
    assert changed.price == "48100.0"
    done = rest.cancel_multiple_orders(SYMBOL, order_id_list=[good.order_id, 10**9]).data()
    assert (done[0].status, done[1].code) == ("CANCELED", -2011)
    assert rest.cancel_all_open_orders(SYMBOL).data().code == 200
    assert rest.query_order(SYMBOL, order_id=other.order_id).data().status == "CANCELED"


def stop(price: float) -> dict[str, Any]:
    kind = {"algo_type": "CONDITIONAL", "type": "STOP_MARKET", "close_position": "true"}
    return {"symbol": SYMBOL, "side": "SELL", "trigger_price": price, **kind}


@pytest.mark.usefixtures("flat")
def test_a_conditional_order(rest: Any) -> None:
    rest.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01)
    order = rest.new_algo_order(**stop(49_500), client_algo_id="guard").data()
    assert (order.algo_status, order.close_position) == ("NEW", True)
    assert gaps(order)[0] <= {"icebergQuantity"}
    assert rest.query_algo_order(client_algo_id="guard").data().trigger_price == "49500.0"
    rest.cancel_all_open_orders(SYMBOL)  # which leaves it
    assert [row.algo_id for row in rest.current_all_algo_open_orders().data()] == [order.algo_id]
    assert rest.cancel_algo_order(algo_id=order.algo_id).data().algo_id == order.algo_id
    assert rest.query_algo_order(algo_id=order.algo_id).data().algo_status == "CANCELED"


REFUSALS: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], int]] = [
    ("cancel_order", (SYMBOL, 10**9), {}, sdk.BadRequestError, -2011),
    ("query_order", (SYMBOL, 10**9), {}, sdk.BadRequestError, -2013),
    ("cancel_algo_order", (10**9,), {}, sdk.BadRequestError, -2011),
    ("change_margin_type", (SYMBOL, "CROSSED"), {}, sdk.BadRequestError, -4046),
    ("new_order", ("NOPE", "BUY", "MARKET"), {"quantity": 1}, sdk.BadRequestError, -1121),
    ("new_order", (SYMBOL, "BUY", "STOP_MARKET"), {"quantity": 1}, sdk.BadRequestError, -4120),
    ("order_status", ("1",), {}, sdk.NotFoundError, -5000),
]


@pytest.mark.parametrize(("name", "args", "more", "kind", "code"), REFUSALS)
def test_refusals_come_with_their_codes(
    rest: Any, name: str, args: Any, more: Any, kind: type[Exception], code: int
) -> None:
    with pytest.raises(kind) as said:
        getattr(rest, name)(*args, **more)
    assert said.value.args[0] == code


@pytest.mark.parametrize(("key", "code"), [(KEY, -1022), ("x" * 64, -2015)])
def test_strangers_are_refused(world: Live, key: str, code: int) -> None:
    stranger, kinds = rest_of(world, key, "wrong"), (sdk.BadRequestError, sdk.UnauthorizedError)
    with closing(stranger._session), pytest.raises(kinds) as said:
        stranger.futures_account_balance_v3()
    assert said.value.args[0] == code


def streams_of(world: Live) -> Any:
    config = configs.ConfigurationWebSocketStreams(world.url.replace("http://", "ws://"))
    return sdk.DerivativesTradingUsdsFutures(config_ws_streams=config).websocket_streams


def calls_of(world: Live, key: str = KEY, secret: Any = SECRET, pem: Any = None) -> Any:
    url = world.url.replace("http://", "ws://") + "/ws-fapi/v1"
    config = configs.ConfigurationWebSocketAPI(key, secret, pem, stream_url=url)
    return sdk.DerivativesTradingUsdsFutures(config_ws_api=config).websocket_api


def over(client: Any, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await client.create_connection()
        try:
            await work(client)
        finally:
            await client.close_connection()

    asyncio.run(asyncio.wait_for(run(), 40))


# "st" (which market) and "ps" (of what pair) came with the merger of the two margin kinds.
STREAMS: list[tuple[str, dict[str, str], str, set[str]]] = [
    ("aggregate_trade_streams", {}, "aggTrade", {"st"}),
    ("mark_price_stream", {"update_speed": "1s"}, "markPriceUpdate", {"st", "ap"}),
    ("kline_candlestick_streams", {"interval": "1m"}, "kline", set()),
    ("individual_symbol_ticker_streams", {}, "24hrTicker", {"st", "ps"}),
    ("individual_symbol_book_ticker_streams", {}, "bookTicker", {"st", "ps"}),
    ("diff_book_depth_streams", {"update_speed": "100ms"}, "depthUpdate", {"st", "ps"}),
    ("partial_book_depth_streams", {"levels": "5"}, "depthUpdate", {"st", "ps"}),
]


def test_market_streams(world: Live) -> None:
    async def work(client: Any) -> None:
        heard: dict[str, asyncio.Queue[Any]] = {name: asyncio.Queue() for name, *_ in STREAMS}
        for name, more, _, _ in STREAMS:  # which waits half a second for each
            (await getattr(client, name)(SYMBOL, **more)).on("message", heard[name].put_nowait)
        for name, _, kind, untold in STREAMS:
            said = await asyncio.wait_for(heard[name].get(), 10)
            assert (said.e, said.s) == (kind, SYMBOL)
            missing, unknown = gaps(said)
            assert missing <= untold
            assert not unknown

    over(streams_of(world), work)


async def listening(world: Live, rest: Any, client: Any) -> asyncio.Queue[Any]:
    """The account's events from now on."""
    key = (await asyncio.to_thread(rest.start_user_data_stream)).data().listen_key
    heard: asyncio.Queue[Any] = asyncio.Queue()
    (await client.user_data(key)).on("message", heard.put_nowait)
    await until_listening(world)
    return heard


async def told(heard: asyncio.Queue[Any], last: Callable[[str, Any], bool]) -> list[Any]:
    """Events by the names of their models, up to one; what the SDK can't read has no model."""
    seen: list[tuple[str, Any]] = []
    while not seen or not last(*seen[-1]):
        event = (await asyncio.wait_for(heard.get(), 10)).actual_instance
        assert gaps(event)[1] == set()
        seen.append((type(event).__name__, event))
    return seen


@pytest.mark.usefixtures("flat")
def test_an_order_is_told_to_the_user(world: Live, rest: Any) -> None:
    async def work(client: Any) -> None:
        heard = await listening(world, rest, client)
        bought = await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.01)
        seen = await told(heard, lambda kind, _: kind == "AccountUpdate")
        assert "TradeLite" in [kind for kind, _ in seen]
        orders = [event.o for kind, event in seen if kind == "OrderTradeUpdate"]
        assert {order.i for order in orders} == {bought.data().order_id}
        assert [(order.x, order.X) for order in orders] == [("NEW", "NEW"), ("TRADE", "FILLED")]
        assert gaps(orders)[0] <= {"AP", "cr", "M"}  # of trailing and modified orders
        assert seen[-1][1].a.P[0].pa == "0.01"

    over(streams_of(world), work)


@pytest.mark.usefixtures("flat")
def test_a_conditional_order_triggers(world: Live, rest: Any) -> None:
    async def work(client: Any) -> None:
        heard = await listening(world, rest, client)
        await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.01)
        order = (await asyncio.to_thread(rest.new_algo_order, **stop(49_500))).data()
        await asyncio.to_thread(world.move, SYMBOL, 49_400)
        seen = await told(heard, lambda k, e: k == "AlgoUpdate" and e.o.X == "FINISHED")
        life = [event.o for kind, event in seen if kind == "AlgoUpdate"]
        assert [o.X for o in life] == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
        assert {o.aid for o in life} == {order.algo_id}
        assert (life[-1].act, life[-1].aq, life[-1].ap) == ("MARKET", "0.010", "49399.00")

    try:
        over(streams_of(world), work)
    finally:
        world.move(SYMBOL, 50_000)
    assert rest.position_information_v3(SYMBOL).data() == []


async def lives(calls: Any) -> None:
    """An order placed, read, changed and cancelled."""
    asked = {"time_in_force": "GTC", "quantity": 0.01, "price": 49_000}
    placed = (await calls.new_order(SYMBOL, "BUY", "LIMIT", **asked)).data()
    assert (placed.status, gaps(placed)) == (200, FULL)
    which = {"order_id": placed.result.order_id}
    assert (await calls.query_order(SYMBOL, **which)).data().result.price == "49000.0"
    changed = (await calls.modify_order(SYMBOL, "BUY", 0.02, 49_100, **which)).data()
    assert changed.result.orig_qty == "0.020"
    assert (await calls.cancel_order(SYMBOL, **which)).data().result.status == "CANCELED"


@pytest.mark.usefixtures("flat")
def test_the_websocket_api(world: Live, caplog: pytest.LogCaptureFixture) -> None:
    async def work(calls: Any) -> None:
        book = (await calls.order_book(SYMBOL, limit=5)).data().result
        assert len(book.additional_properties["bids"]) == 5  # its model has forgotten them
        await lives(calls)
        await calls.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01)
        held = (await calls.position_information_v2(symbol=SYMBOL)).data().result
        assert held[0].position_amt == "0.010"
        assert (await calls.futures_account_balance_v2()).data().result[0].asset == "USDT"
        order = (await calls.new_algo_order(**stop(49_500))).data().result
        gone = (await calls.cancel_algo_order(algo_id=order.algo_id)).data().result
        assert gone.algo_id == order.algo_id
        said = (await calls.cancel_order(SYMBOL, order_id=10**9)).data()
        assert said["error"]["code"] == -2011

    over(calls_of(world), work)
    caplog.clear()  # it logs the refusal


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_pairs(world: Live, kind: str) -> None:
    pair: Any = ECC.generate(curve=kind) if kind == "ed25519" else RSA.generate(2048)
    made = [half.export_key(format="PEM") for half in (pair, pair.public_key())]
    private, public = (text if isinstance(text, str) else text.decode() for text in made)
    alice = world.sim.exchange.accounts["alice"]
    world.do(lambda: world.sim.add_key(alice, key=kind, public_pem=public))
    signing = rest_of(world, kind, None, private)
    with closing(signing._session):
        assert signing.futures_account_balance_v3().data()[0].asset == "USDT"
        assert signing.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01).data().order_id
    over(calls_of(world, kind, None, private), lives)
