"""Contracts, books, trades, candles and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riposte.exchange.bars import Bar, ending
from riposte.exchange.contract import Contract
from riposte.exchange.state import State
from riposte.exchange.tape import AggTrade, Funding, Sample, Ticker, Trade
from riposte.exchange.units import E8, PPM, rounded_ratio, show_e8, show_trimmed

Json = dict[str, Any]

ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]
FOREVER_MS = 4_133_404_800_000
INTEREST_E8 = 10_000
"""The interest part of a funding rate, 0.01 %."""


def _ratio(ppm: int, places: int = 4) -> str:
    return show_e8(ppm * E8 // PPM, places)


def contract(shown: Contract) -> Json:
    """One symbol of ``exchangeInfo``."""
    step = shown.quantity(shown.quantity_grid)
    return {
        "symbol": shown.symbol,
        "pair": shown.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": FOREVER_MS,
        "onboardDate": shown.onboard_ms,
        "status": shown.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": shown.base,
        "quoteAsset": shown.quote,
        "marginAsset": shown.quote,
        "pricePrecision": shown.price_decimals,
        "quantityPrecision": shown.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": _ratio(shown.trigger_protect_ppm),
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "maxPrice": shown.price(shown.max_price_ticks),
                "minPrice": shown.price(shown.price_grid),
                "tickSize": shown.price(shown.price_grid),
            },
            {
                "filterType": "LOT_SIZE",
                "maxQty": shown.quantity(shown.max_steps),
                "minQty": step,
                "stepSize": step,
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "maxQty": shown.quantity(shown.max_market_steps),
                "minQty": step,
                "stepSize": step,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": shown.max_open_orders},
            {"filterType": "MIN_NOTIONAL", "notional": show_trimmed(shown.min_notional_e8)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": _ratio(shown.price_up_ppm),
                "multiplierDown": _ratio(shown.price_down_ppm),
                "multiplierDecimal": "4",
            },
            {
                "filterType": "POSITION_RISK_CONTROL",
                "positionControlSide": "NONE",
                "notionalLimit": "0",
            },
        ],
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "liquidationFee": _ratio(shown.liquidation_fee_ppm, 6),
        "marketTakeBound": _ratio(shown.market_take_bound_ppm, 2),
    }


def exchange_info(contracts: Sequence[Contract], now_ms: int, limits: Sequence[Json]) -> Json:
    """``GET /fapi/v1/exchangeInfo``."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": list(limits),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [contract(each) for each in contracts],
    }


def depth(state: State, symbol: str, limit: int) -> Json:
    """``GET /fapi/v1/depth``."""
    book, shown = state.books[symbol], state.contracts[symbol]
    bids, asks = book.depth(limit)
    return {
        "lastUpdateId": book.last_update_id,
        "E": state.now_ms,
        "T": state.now_ms,
        "bids": [[shown.price(p), shown.quantity(q)] for p, q in bids],
        "asks": [[shown.price(p), shown.quantity(q)] for p, q in asks],
    }


def book_ticker(state: State, symbol: str) -> Json:
    """``GET /fapi/v1/ticker/bookTicker``; an empty side shows 0."""
    book, shown = state.books[symbol], state.contracts[symbol]
    bid, ask = book.best_bid() or (0, 0), book.best_ask() or (0, 0)
    return {
        "symbol": symbol,
        "bidPrice": shown.price(bid[0]),
        "bidQty": shown.quantity(bid[1]),
        "askPrice": shown.price(ask[0]),
        "askQty": shown.quantity(ask[1]),
        "time": state.now_ms,
        "lastUpdateId": book.last_update_id,
    }


def price_ticker(state: State, symbol: str) -> Json:
    """``GET /fapi/v2/ticker/price``."""
    shown = state.contracts[symbol]
    price = shown.price(state.last_ticks.get(symbol, 0))
    return {"symbol": symbol, "price": price, "time": state.now_ms}


def trade(row: Trade, shown: Contract) -> Json:
    """A row of ``GET /fapi/v1/trades``."""
    return {
        "id": row.trade_id,
        "price": shown.price(row.price_ticks),
        "qty": shown.quantity(row.quantity),
        "quoteQty": show_trimmed(shown.notional_e8(row.price_ticks, row.quantity)),
        "time": row.time_ms,
        "isBuyerMaker": row.buyer_is_maker,
    }


def agg_trade(row: AggTrade, shown: Contract) -> Json:
    """A row of ``GET /fapi/v1/aggTrades``; ``nq`` is the quantity without RPI orders: all of it."""
    return {
        "a": row.agg_id,
        "p": shown.price(row.price_ticks),
        "q": shown.quantity(row.quantity),
        "nq": shown.quantity(row.quantity),
        "f": row.first_id,
        "l": row.last_id,
        "T": row.time_ms,
        "m": row.buyer_is_maker,
    }


def kline(bar: Bar, interval: str, shown: Contract) -> list[Any]:
    """A row of ``GET /fapi/v1/klines``."""
    places = shown.price_decimals
    return [
        bar.open_ms,
        show_e8(bar.open, places),
        show_e8(bar.high, places),
        show_e8(bar.low, places),
        show_e8(bar.close, places),
        show_e8(bar.volume, shown.quantity_decimals),
        ending(interval, bar.open_ms),
        show_trimmed(bar.quote),
        bar.count,
        show_e8(bar.taker_volume, shown.quantity_decimals),
        show_trimmed(bar.taker_quote),
        "0",
    ]


def price_kline(bar: Bar, interval: str) -> list[Any]:
    """A row of mark, index and premium candles: prices only."""
    prices = [show_e8(value) for value in (bar.open, bar.high, bar.low, bar.close)]
    return [bar.open_ms, *prices, "0", ending(interval, bar.open_ms), "0", bar.count, "0", "0", "0"]


def day_change(day: Ticker, shown: Contract) -> tuple[str, str, str]:
    """Change of the price, the same in percent, and the average weighted by volume."""
    change = day.last_e8 - day.open_e8
    percent = rounded_ratio(change * 100, E8, day.open_e8) if day.open_e8 else 0
    average = rounded_ratio(day.quote_e8, E8, day.volume_e8) if day.volume_e8 else 0
    places = shown.price_decimals
    return show_e8(change, places), show_e8(percent, 3), show_e8(average, places)


def ticker(symbol: str, day: Ticker | None, shown: Contract, now_ms: int) -> Json:
    """``GET /fapi/v1/ticker/24hr``; all zero before the first trade."""
    day = day or Ticker(0, 0, 0, 0, 0, 0, 0, 0, now_ms, now_ms, -1, -1)
    change, percent, average = day_change(day, shown)
    places = shown.price_decimals
    return {
        "symbol": symbol,
        "priceChange": change,
        "priceChangePercent": percent,
        "weightedAvgPrice": average,
        "lastPrice": show_e8(day.last_e8, places),
        "lastQty": shown.quantity(day.last_steps),
        "openPrice": show_e8(day.open_e8, places),
        "highPrice": show_e8(day.high_e8, places),
        "lowPrice": show_e8(day.low_e8, places),
        "volume": show_e8(day.volume_e8, shown.quantity_decimals),
        "quoteVolume": show_trimmed(day.quote_e8),
        "openTime": day.open_ms,
        "closeTime": day.close_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }


def premium_index(state: State, symbol: str) -> Json:
    """``GET /fapi/v1/premiumIndex``."""
    mark, index = state.mark_e8.get(symbol, 0), state.index_e8.get(symbol, 0)
    return {
        "symbol": symbol,
        "markPrice": show_e8(mark),
        "indexPrice": show_e8(index),
        "estimatedSettlePrice": show_e8(index),
        "lastFundingRate": show_e8(state.funding_e8.get(symbol, 0)),
        "interestRate": show_e8(INTEREST_E8),
        "nextFundingTime": state.next_funding_ms.get(symbol, 0),
        "time": state.now_ms,
    }


def adl_risk(symbol: str, insurance_e8: int, held_e8: int, now_ms: int) -> Json:
    """``GET /fapi/v1/symbolAdlRisk``: by what the fund has for each dollar that customers hold."""
    share = insurance_e8 * PPM // held_e8 if held_e8 else PPM
    risk = "low" if share >= 100_000 else "medium" if share >= 10_000 else "high"
    return {"symbol": symbol, "adlRisk": risk, "updateTime": now_ms}


def funding(row: Funding) -> Json:
    """A row of ``GET /fapi/v1/fundingRate``."""
    return {
        "symbol": row.symbol,
        "fundingTime": row.time_ms,
        "fundingRate": show_e8(row.rate_e8),
        "markPrice": show_e8(row.mark_e8),
    }


def funding_info(shown: Contract) -> Json:
    """A row of ``GET /fapi/v1/fundingInfo``."""
    cap = shown.funding_cap_ppm * E8 // PPM
    return {
        "symbol": shown.symbol,
        "adjustedFundingRateCap": show_e8(cap),
        "adjustedFundingRateFloor": show_e8(-cap),
        "fundingIntervalHours": shown.funding_hours,
        "disclaimer": False,
    }


def open_interest_history(symbol: str, row: Sample, shown: Contract) -> Json:
    """A row of ``GET /futures/data/openInterestHist``."""
    return {
        "symbol": symbol,
        "sumOpenInterest": show_e8(row.interest_steps * shown.step_e8),
        "sumOpenInterestValue": show_e8(row.interest_value_e8),
        "timestamp": row.time_ms,
    }


def ratio(symbol: str, time_ms: int, longs: int, shorts: int) -> Json:
    """A row of a long/short ratio."""
    total = longs + shorts
    share = rounded_ratio(longs, E8, total) if total else 0
    return {
        "symbol": symbol,
        "longShortRatio": show_e8(rounded_ratio(longs, E8, shorts) if shorts else 0, 4),
        "longAccount": show_e8(share, 4),
        "shortAccount": show_e8(E8 - share if total else 0, 4),
        "timestamp": time_ms,
    }


def taker_volume(bar: Bar) -> Json:
    """A row of ``GET /futures/data/takerlongshortRatio``."""
    sold = bar.volume - bar.taker_volume
    return {
        "buySellRatio": show_e8(rounded_ratio(bar.taker_volume, E8, sold) if sold else 0, 4),
        "buyVol": show_e8(bar.taker_volume, 4),
        "sellVol": show_e8(sold, 4),
        "timestamp": bar.open_ms,
    }


def basis(pair: str, contract_type: str, bar: Bar, index: Bar) -> Json:
    """A row of ``GET /futures/data/basis``."""
    gap = bar.close - index.close
    return {
        "indexPrice": show_e8(index.close),
        "contractType": contract_type,
        "basisRate": show_e8(rounded_ratio(gap, E8, index.close) if index.close else 0, 4),
        "futuresPrice": show_trimmed(bar.close),
        "annualizedBasisRate": "",
        "basis": show_e8(gap),
        "pair": pair,
        "timestamp": bar.open_ms,
    }
