"""Binance's official SDK, unmodified but for the address, lives a whole trading life (acceptance 1).

The SDK turns answers into models of its own and only writes a warning where one does not fit, so
every test here fails on anything the SDK has to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures import (
    BadRequestError,
    DerivativesTradingUsdsFutures,
    NotFoundError,
    UnauthorizedError,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from live_world import Live, eventually, live, until_listening
from pydantic import BaseModel
from sim_world import KEY, SECRET

SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
PATIENCE_MS = 10_000  # the SDK gives up after a second, which a busy machine may need


@pytest.fixture(scope="module")
def world() -> Iterator[Live]:
    with live() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The SDK warns of an answer that is not as declared, and goes on with something else."""
    yield
    said = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.WARNING]
    assert said == []


def rest_of(world: Live, key: str = KEY, secret: str | None = SECRET, **more: Any) -> Any:
    config = ConfigurationRestAPI(key, secret, base_path=world.url, timeout=PATIENCE_MS, **more)
    return DerivativesTradingUsdsFutures(config_rest_api=config).rest_api


@pytest.fixture(scope="module")
def rest(world: Live) -> Iterator[Any]:
    client = rest_of(world)
    yield client
    client._session.close()  # it keeps its connections and gives no way to close them


@pytest.fixture
def flat(rest: Any) -> Iterator[None]:
    """Whatever a test leaves is not the next one's."""
    yield
    for symbol in (SYMBOL, OTHER):
        rest.cancel_all_open_orders(symbol)
        rest.cancel_all_algo_open_orders(symbol)
    for held in rest.position_information_v3().data():
        amount = float(held.position_amt)
        if amount:
            side = "SELL" if amount > 0 else "BUY"
            rest.new_order(held.symbol, side, "MARKET", quantity=abs(amount), reduce_only="true")


def models(answer: Any) -> Iterator[BaseModel]:
    """The models of an answer at whatever depth, without the wrappers of "one of these"."""
    if isinstance(answer, list):
        for item in answer:
            yield from models(item)
    elif isinstance(answer, BaseModel):
        chosen = getattr(answer, "actual_instance", None)
        if chosen is not None:
            yield from models(chosen)
            return
        yield answer
        for name in type(answer).model_fields:
            yield from models(getattr(answer, name))


def gaps(answer: Any) -> tuple[set[str], set[str]]:
    """Which of the models' fields stay empty in every row; which of the answer's they don't know."""
    known: set[str] = set()
    filled: set[str] = set()
    beyond: set[str] = set()
    rows = list(models(answer))
    assert rows, f"not a model of the SDK: {answer!r}"
    for row in rows:
        for name, field in type(row).model_fields.items():
            if name == "additional_properties":
                beyond |= set(getattr(row, name))
                continue
            where = f"{type(row).__name__}.{field.alias or name}"
            known.add(where)
            if getattr(row, name) is not None:
                filled.add(where)
    return {where.split(".")[1] for where in known - filled}, beyond


# What the SDK's models have and the exchange does not tell; what it tells beyond them.
MARKET_DATA: list[tuple[str, tuple[Any, ...], set[str], set[str]]] = [
    ("check_server_time", (), set(), set()),
    ("exchange_information", (), set(), {"futuresType"}),
    ("order_book", (SYMBOL, 5), set(), set()),
    ("rpi_order_book", (SYMBOL,), set(), set()),
    ("recent_trades_list", (SYMBOL,), set(), set()),
    ("old_trades_lookup", (SYMBOL,), set(), set()),
    ("compressed_aggregate_trades_list", (SYMBOL,), set(), set()),
    ("mark_price", (SYMBOL,), set(), set()),
    ("mark_price", (), set(), set()),
    ("get_funding_rate_history", (SYMBOL,), {"rateType"}, set()),
    ("get_funding_rate_info", (), set(), set()),
    ("ticker24hr_price_change_statistics", (SYMBOL,), set(), set()),
    ("ticker24hr_price_change_statistics", (), set(), set()),
    ("symbol_price_ticker_v2", (SYMBOL,), set(), set()),
    ("symbol_order_book_ticker", (SYMBOL,), set(), {"lastUpdateId"}),
    ("open_interest", (SYMBOL,), set(), set()),
    ("open_interest_statistics", (SYMBOL, "5m"), {"CMCCirculatingSupply"}, set()),
    ("top_trader_long_short_ratio_accounts", (SYMBOL, "5m"), set(), set()),
    ("top_trader_long_short_ratio_positions", (SYMBOL, "5m"), set(), set()),
    ("long_short_ratio", (SYMBOL, "5m"), set(), set()),
    ("taker_buy_sell_volume", (SYMBOL, "5m"), set(), set()),
    ("basis", (SYMBOL, "PERPETUAL", "5m"), set(), set()),
    ("query_index_price_constituents", (SYMBOL,), set(), set()),
    ("query_insurance_fund_balance_snapshot", (SYMBOL,), set(), set()),
]


@pytest.mark.parametrize(("name", "args", "untold", "beyond"), MARKET_DATA)
def test_market_data_fills_the_models(
    rest: Any, name: str, args: tuple[Any, ...], untold: set[str], beyond: set[str]
) -> None:
    answer = eventually(lambda: getattr(rest, name)(*args).data())  # trades come by and by
    assert gaps(answer) == (untold, beyond)


@pytest.mark.parametrize(
    "name",
    [
        "kline_candlestick_data",
        "index_price_kline_candlestick_data",
        "mark_price_kline_candlestick_data",
        "premium_index_kline_data",
    ],
)
def test_candles(rest: Any, name: str) -> None:
    rows = getattr(rest, name)(SYMBOL, "1m", limit=10).data()
    assert [len(row) for row in rows] == [12] * 10
    assert len({row[0] for row in rows}) == 10


def test_the_numbers_are_the_markets(rest: Any) -> None:
    info = rest.exchange_information().data()
    assert {row.symbol for row in info.symbols} == {SYMBOL, OTHER}
    book = rest.order_book(SYMBOL, 5).data()
    assert (len(book.bids), len(book.asks)) == (5, 5)
    assert float(book.bids[0][0]) < float(book.asks[0][0])
    assert float(rest.mark_price(SYMBOL).data().actual_instance.mark_price) == 50_000
    answer = rest.order_book(SYMBOL, 5)
    assert answer.rate_limits[0].rateLimitType == "REQUEST_WEIGHT"


def test_settings(rest: Any) -> None:
    assert rest.change_initial_leverage(SYMBOL, 7).data().leverage == 7
    assert rest.change_margin_type(OTHER, "ISOLATED").data().code == 200
    with pytest.raises(BadRequestError) as said:
        rest.change_margin_type(OTHER, "ISOLATED")
    assert said.value.status_code == -4046
    assert rest.change_position_mode("true").data().code == 200
    assert rest.get_current_position_mode().data().dual_side_position is True
    assert rest.change_position_mode("false").data().code == 200
    kept = {row.symbol: row for row in rest.symbol_configuration().data()}
    assert (kept[SYMBOL].leverage, kept[OTHER].margin_type) == (7, "ISOLATED")


@pytest.mark.usefixtures("flat")
def test_a_resting_order(rest: Any) -> None:
    placed = rest.new_order(
        SYMBOL, "BUY", "LIMIT", time_in_force="GTX", quantity=0.01, price=49_000
    )
    order = placed.data()
    assert (order.status, order.time_in_force) == ("NEW", "GTX")
    assert gaps(order) == (set(), set())
    which = {"order_id": order.order_id}
    assert rest.query_order(SYMBOL, **which).data().price == "49000.0"
    changed = rest.modify_order(SYMBOL, "BUY", 0.02, 49_100, **which).data()
    assert (changed.orig_qty, changed.price) == ("0.020", "49100.0")
    assert [row.order_id for row in rest.current_all_open_orders(SYMBOL).data()] == [order.order_id]
    history = rest.get_order_modify_history(SYMBOL, **which).data()
    assert history[0].amendment.price.after == "49100.0"
    assert rest.cancel_order(SYMBOL, **which).data().status == "CANCELED"
    assert rest.query_order(SYMBOL, **which).data().status == "CANCELED"
    assert rest.current_all_open_orders(SYMBOL).data() == []


@pytest.mark.usefixtures("flat")
def test_a_position_from_open_to_close(rest: Any) -> None:
    bought = rest.new_order(
        SYMBOL, "BUY", "MARKET", quantity=0.05, new_order_resp_type="RESULT"
    ).data()
    assert (bought.status, bought.executed_qty) == ("FILLED", "0.050")
    (held,) = rest.position_information_v3(SYMBOL).data()
    assert (held.position_amt, gaps(held)) == ("0.050", (set(), set()))
    closed = rest.new_order(
        SYMBOL,
        "SELL",
        "MARKET",
        quantity=0.05,
        reduce_only="true",
        new_order_resp_type="RESULT",
    ).data()
    assert (closed.status, closed.reduce_only) == ("FILLED", True)
    assert rest.position_information_v3(SYMBOL).data() == []
    fills = {row.order_id: row for row in rest.account_trade_list(SYMBOL).data()}
    assert (fills[bought.order_id].price, fills[closed.order_id].side) == ("50001.0", "SELL")


def test_the_books_balance(rest: Any) -> None:
    (balance,) = rest.futures_account_balance_v3().data()
    moved = sum(float(row.income) for row in rest.get_income_history(limit=1000).data())
    assert moved == pytest.approx(float(balance.balance), abs=1e-6)  # it begins with the deposit
    account = rest.account_information_v3().data()
    assert gaps(account) == (set(), set())
    assert float(account.total_wallet_balance) == pytest.approx(float(balance.balance))
    assert rest.user_commission_rate(SYMBOL).data().taker_commission_rate


def leg(price: str) -> dict[str, str]:
    kind = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    return {"symbol": SYMBOL, "side": "BUY", "price": price, **kind}


@pytest.mark.usefixtures("flat")
def test_batches(rest: Any) -> None:
    good, bad, other = rest.place_multiple_orders(
        [leg("48000"), leg("60000000"), leg("47000")]
    ).data()
    assert (good.status, bad.code, other.status) == ("NEW", -4016, "NEW")
    change = {"symbol": SYMBOL, "side": "BUY", "orderId": good.order_id, "quantity": "0.02"}
    (changed,) = rest.modify_multiple_orders([{**change, "price": "48100"}]).data()
    assert (changed.orig_qty, changed.price) == ("0.020", "48100.0")
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
    assert gaps(order) == ({"icebergQuantity"}, set())
    assert rest.query_algo_order(client_algo_id="guard").data().trigger_price == "49500.0"
    rest.cancel_all_open_orders(SYMBOL)  # which leaves it
    assert [row.algo_id for row in rest.current_all_algo_open_orders().data()] == [order.algo_id]
    assert rest.cancel_algo_order(algo_id=order.algo_id).data().algo_id == order.algo_id
    assert rest.query_algo_order(algo_id=order.algo_id).data().algo_status == "CANCELED"
    assert rest.current_all_algo_open_orders().data() == []


@pytest.mark.parametrize(
    ("ask", "kind", "code"),
    [
        (lambda rest: rest.cancel_order(SYMBOL, order_id=10**9), BadRequestError, -2011),
        (lambda rest: rest.query_order(SYMBOL, order_id=10**9), BadRequestError, -2013),
        (lambda rest: rest.cancel_algo_order(algo_id=10**9), BadRequestError, -2011),
        (lambda rest: rest.new_order("NOPE", "BUY", "MARKET", quantity=1), BadRequestError, -1121),
        (
            lambda rest: rest.new_order(SYMBOL, "SELL", "MARKET", quantity=1, reduce_only="true"),
            BadRequestError,
            -2022,
        ),
        (lambda rest: rest.classic_portfolio_margin_account_information("X"), NotFoundError, -5000),
    ],
)
def test_refusals_come_with_their_codes(
    rest: Any, ask: Callable[[Any], Any], kind: type[Exception], code: int
) -> None:
    with pytest.raises(kind) as said:
        ask(rest)
    assert said.value.args[0] == code


@pytest.mark.parametrize(
    ("key", "secret", "kind", "code"),
    [(KEY, "wrong", BadRequestError, -1022), ("x" * 64, SECRET, UnauthorizedError, -2015)],
)
def test_strangers_are_refused(
    world: Live, key: str, secret: str, kind: type[Exception], code: int
) -> None:
    stranger = rest_of(world, key, secret)
    with pytest.raises(kind) as said:
        stranger.futures_account_balance_v3()
    stranger._session.close()
    assert said.value.args[0] == code


@asynccontextmanager
async def opened(client: Any) -> AsyncIterator[Any]:
    await client.create_connection()
    try:
        yield client
    finally:
        await client.close_connection()


def streams_of(world: Live) -> Any:
    url = world.url.replace("http://", "ws://")
    config = ConfigurationWebSocketStreams(stream_url=url)
    return opened(DerivativesTradingUsdsFutures(config_ws_streams=config).websocket_streams)


def calls_of(world: Live, key: str = KEY, secret: str | None = SECRET, **more: Any) -> Any:
    url = world.url.replace("http://", "ws://") + "/ws-fapi/v1"
    config = ConfigurationWebSocketAPI(key, secret, stream_url=url, timeout=PATIENCE_MS, **more)
    return opened(DerivativesTradingUsdsFutures(config_ws_api=config).websocket_api)


def within(work: Coroutine[Any, Any, None], seconds: float = 30) -> None:
    asyncio.run(asyncio.wait_for(work, seconds))


def test_market_streams(world: Live) -> None:
    wanted: list[tuple[str, tuple[Any, ...], str]] = [
        ("aggregate_trade_streams", (SYMBOL,), "aggTrade"),
        ("mark_price_stream", (SYMBOL, None, "1s"), "markPriceUpdate"),
        ("kline_candlestick_streams", (SYMBOL, "1m"), "kline"),
        ("individual_symbol_ticker_streams", (SYMBOL,), "24hrTicker"),
        ("individual_symbol_book_ticker_streams", (SYMBOL,), "bookTicker"),
        ("diff_book_depth_streams", (SYMBOL, None, "100ms"), "depthUpdate"),
    ]

    async def work() -> None:
        async with streams_of(world) as client:
            for name, args, kind in wanted:
                stream = await getattr(client, name)(*args)
                heard: asyncio.Queue[Any] = asyncio.Queue()
                stream.on("message", heard.put_nowait)
                said = await asyncio.wait_for(heard.get(), 10)
                assert said.e == kind
                assert gaps(said) == (set(), set())
                await stream.unsubscribe()

    within(work(), 60)


async def listening(world: Live, rest: Any, client: Any) -> asyncio.Queue[Any]:
    """The account's events, from now on."""
    key = (await asyncio.to_thread(rest.start_user_data_stream)).data().listen_key
    heard: asyncio.Queue[Any] = asyncio.Queue()
    (await client.user_data(key)).on("message", heard.put_nowait)
    await until_listening(world)
    return heard


async def told(heard: asyncio.Queue[Any], enough: Callable[[Any], bool]) -> list[Any]:
    """The events up to the first that is enough."""
    seen = []
    while not seen or not enough(seen[-1]):
        event = (await asyncio.wait_for(heard.get(), 10)).actual_instance
        assert isinstance(event, BaseModel)  # what the SDK cannot read comes as it is
        seen.append(event)
    return seen


@pytest.mark.usefixtures("flat")
def test_an_order_is_told_on_the_user_stream(world: Live, rest: Any) -> None:
    async def work() -> None:
        async with streams_of(world) as client:
            heard = await listening(world, rest, client)
            bought = await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.01)
            seen = await told(heard, lambda event: event.e == "ACCOUNT_UPDATE")
            assert {event.e for event in seen} >= {"TRADE_LITE", "ORDER_TRADE_UPDATE"}
            orders = [event.o for event in seen if event.e == "ORDER_TRADE_UPDATE"]
            assert {order.i for order in orders} == {bought.data().order_id}
            assert (orders[-1].x, orders[-1].X) == ("TRADE", "FILLED")
            assert seen[-1].a.P[0].pa == "0.01"

    within(work())


@pytest.mark.usefixtures("flat")
def test_a_conditional_order_triggers(world: Live, rest: Any) -> None:
    async def work() -> None:
        async with streams_of(world) as client:
            heard = await listening(world, rest, client)
            await asyncio.to_thread(rest.new_order, SYMBOL, "BUY", "MARKET", quantity=0.01)
            order = (await asyncio.to_thread(rest.new_algo_order, **stop(49_500))).data()
            await asyncio.to_thread(world.move, SYMBOL, 49_400)
            seen = await told(heard, lambda e: e.e == "ALGO_UPDATE" and e.o.X == "FINISHED")
            life = [event.o.X for event in seen if event.e == "ALGO_UPDATE"]
            assert life == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]
            assert seen[-1].o.aid == order.algo_id

    try:
        within(work())
    finally:
        world.move(SYMBOL, 50_000)
    assert rest.position_information_v3(SYMBOL).data() == []


async def lives(calls: Any) -> None:
    """An order placed, read, changed and cancelled."""
    placed = (
        await calls.new_order(
            SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.01, price=49_000
        )
    ).data()
    assert placed.status == 200
    which = {"order_id": placed.result.order_id}
    assert (await calls.query_order(SYMBOL, **which)).data().result.price == "49000.0"
    changed = (await calls.modify_order(SYMBOL, "BUY", 0.02, 49_100, **which)).data()
    assert changed.result.orig_qty == "0.020"
    assert (await calls.cancel_order(SYMBOL, **which)).data().result.status == "CANCELED"


@pytest.mark.usefixtures("flat")
def test_the_websocket_api(world: Live) -> None:
    async def work() -> None:
        async with calls_of(world) as calls:
            book = (await calls.order_book(SYMBOL, limit=5)).data()
            assert len(book.result.bids) == 5
            await lives(calls)
            await calls.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01)
            held = (await calls.position_information_v2(symbol=SYMBOL)).data().result
            assert held[0].position_amt == "0.010"
            balance = (await calls.futures_account_balance_v2()).data()
            assert balance.result[0].asset == "USDT"
            order = (await calls.new_algo_order(**stop(49_500))).data().result
            gone = (await calls.cancel_algo_order(algo_id=order.algo_id)).data().result
            assert gone.algo_id == order.algo_id

    within(work())


def test_refusals_over_the_websocket_api(world: Live, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with calls_of(world) as calls:
            said = (await calls.cancel_order(SYMBOL, order_id=10**9)).data()
            assert said["error"]["code"] == -2011

    within(work())
    caplog.clear()  # it writes each refusal down


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_pairs(world: Live, kind: str) -> None:
    pair: Any = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    )
    private = pair.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    public = pair.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    alice = world.sim.exchange.accounts["alice"]
    world.do(lambda: world.sim.add_key(alice, key=kind, public_pem=public.decode()))
    signing = rest_of(world, kind, None, private_key=private)
    assert signing.futures_account_balance_v3().data()[0].asset == "USDT"
    assert signing.new_order(SYMBOL, "BUY", "MARKET", quantity=0.01).data().order_id
    signing._session.close()

    async def work() -> None:
        async with calls_of(world, kind, None, private_key=private) as calls:
            await lives(calls)

    within(work())
