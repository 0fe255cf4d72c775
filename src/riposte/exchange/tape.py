"""The market data that the exchange publishes: made of what its own book does, nothing else.

Trades, aggregate trades, candles of trades, mark, index and premium, the day's statistics, funding
and open interest. What was before the exchange opened comes from the feed's history. Long/short
ratios are those of this exchange's customers; taker volumes are those of its tape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riposte.exchange.bars import DAY_MS, FIXED_MS, Bar, Candles
from riposte.exchange.contract import Contract
from riposte.exchange.events import Event, FundingSettled, Marked, Traded
from riposte.exchange.feed import History
from riposte.exchange.records import Account
from riposte.exchange.span import Span
from riposte.exchange.units import E8, rounded_ratio

KEPT_TRADES = 50_000
KEPT_SAMPLES = 30 * 288
PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    trade_id: int
    price_ticks: int
    quantity: int
    time_ms: int
    buyer_is_maker: bool


@dataclass(slots=True)
class AggTrade:
    """Trades of one moment, price and taker side, joined."""

    agg_id: int
    price_ticks: int
    quantity: int
    first_id: int
    last_id: int
    time_ms: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class Funding:
    """A settlement that took place."""

    symbol: str
    time_ms: int
    rate_e8: int
    mark_e8: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What the exchange's customers held at a time."""

    time_ms: int
    interest_steps: int
    interest_value_e8: int
    long_accounts: int
    short_accounts: int
    long_value_e8: int
    short_value_e8: int


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last 24 hours."""

    open_e8: int
    high_e8: int
    low_e8: int
    last_e8: int
    last_steps: int
    volume_e8: int
    quote_e8: int
    count: int
    open_ms: int
    close_ms: int
    first_id: int
    last_id: int


class SymbolTape:
    """Everything published of one contract."""

    def __init__(self, contract: Contract, history: History | None) -> None:
        past = history or History(60_000)
        self.contract = contract
        self.trades: deque[Trade] = deque(maxlen=KEPT_TRADES)
        self.agg_trades: deque[AggTrade] = deque(maxlen=KEPT_TRADES)
        self.candles = {
            "trade": Candles(past.bars, past.interval_ms),
            "mark": Candles(past.marks, past.interval_ms),
            "index": Candles(past.indices, past.interval_ms),
            "premium": Candles(_premiums(past), past.interval_ms),
        }
        self.funding: list[Funding] = [
            Funding(contract.symbol, time_ms, rate, mark) for time_ms, rate, mark in past.funding
        ]
        self.samples: deque[Sample] = deque(
            (Sample(t, steps, value, 0, 0, 0, 0) for t, steps, value in past.open_interest),
            maxlen=KEPT_SAMPLES,
        )
        self._agg_number = 0

    def trade(self, event: Traded) -> None:
        """Take a trade."""
        self.trades.append(
            Trade(
                event.trade_id,
                event.price_ticks,
                event.quantity,
                event.time_ms,
                event.buyer_is_maker,
            )
        )
        last = self.agg_trades[-1] if self.agg_trades else None
        if (
            last is not None
            and last.time_ms == event.time_ms
            and last.price_ticks == event.price_ticks
            and last.buyer_is_maker == event.buyer_is_maker
        ):
            last.quantity += event.quantity
            last.last_id = event.trade_id
        else:
            self._agg_number += 1
            self.agg_trades.append(
                AggTrade(
                    self._agg_number,
                    event.price_ticks,
                    event.quantity,
                    event.trade_id,
                    event.trade_id,
                    event.time_ms,
                    event.buyer_is_maker,
                )
            )
        contract = self.contract
        price = event.price_ticks * contract.tick_e8
        volume = event.quantity * contract.step_e8
        quote = contract.notional_e8(event.price_ticks, event.quantity)
        taken = not event.buyer_is_maker
        self.candles["trade"].add(
            Bar(
                event.time_ms,
                price,
                price,
                price,
                price,
                volume,
                quote,
                1,
                volume if taken else 0,
                quote if taken else 0,
                event.trade_id,
                event.trade_id,
            )
        )

    def mark(self, event: Marked) -> None:
        """Take a mark and index price."""
        premium = rounded_ratio(event.mark_e8 - event.index_e8, E8, event.index_e8 or 1)
        for kind, value in (
            ("mark", event.mark_e8),
            ("index", event.index_e8),
            ("premium", premium),
        ):
            self.candles[kind].add(Bar(event.time_ms, value, value, value, value, count=1))

    def ticker(self, now_ms: int) -> Ticker | None:
        """The last 24 hours of trades, from the finest bars that reach so far."""
        candles = self.candles["trade"]
        candles.roll(now_ms)
        since = now_ms - DAY_MS
        bars = candles.select(candles.finest(since), since, None, 1_500)
        if not bars:
            bars = candles.select("1m", None, None, 1)
        if not bars:
            return None
        day = Bar(bars[0].open_ms, bars[0].open, bars[0].high, bars[0].low, bars[0].close)
        for bar in bars:
            day.fold(bar)
        last = self.trades[-1] if self.trades else None
        return Ticker(
            day.open,
            day.high,
            day.low,
            day.close,
            last.quantity if last else 0,
            day.volume,
            day.quote,
            day.count,
            since,
            now_ms,
            day.first_id,
            day.last_id,
        )


def _premiums(past: History) -> list[Bar]:
    indices = {bar.open_ms: bar for bar in past.indices}
    found = []
    for mark in past.marks:
        index = indices.get(mark.open_ms)
        if index is not None and index.close:
            value = rounded_ratio(mark.close - index.close, E8, index.close)
            found.append(Bar(mark.open_ms, value, value, value, value))
    return found


class Tape:
    """The tapes of all contracts."""

    def __init__(self, contracts: Sequence[Contract], histories: Mapping[str, History]) -> None:
        self.symbols = {
            contract.symbol: SymbolTape(contract, histories.get(contract.symbol))
            for contract in contracts
        }

    def candles(self, symbol: str, kind: str, now_ms: int) -> Candles:
        """A contract's candles up to now, also where nothing has happened for a while."""
        candles = self.symbols[symbol].candles[kind]
        candles.roll(now_ms)
        return candles

    def take(self, event: Event) -> None:
        """Take one event of the core; those that are not public change nothing."""
        match event:
            case Traded():
                self.symbols[event.symbol].trade(event)
            case Marked():
                self.symbols[event.symbol].mark(event)
            case FundingSettled():
                self.symbols[event.symbol].funding.append(
                    Funding(event.symbol, event.time_ms, event.rate_e8, event.mark_e8)
                )

    def sample(
        self, symbol: str, now_ms: int, accounts: Sequence[Account], outside: int, mark_e8: int
    ) -> None:
        """Note what the customers hold, once every five minutes."""
        tape = self.symbols[symbol]
        slot = now_ms - now_ms % FIXED_MS["5m"]
        if tape.samples and tape.samples[-1].time_ms >= slot:
            return
        tape.samples.append(sample_of(tape.contract, slot, accounts, outside, mark_e8))

    def funding(self, symbol: str | None, span: Span, limit: int) -> Sequence[Funding]:
        """Settlements in a span of time: the first after a start, else the last."""
        tapes = self.symbols.values() if symbol is None else [self.symbols[symbol]]
        rows = sorted(
            (row for tape in tapes for row in tape.funding if row.time_ms in span),
            key=lambda row: row.time_ms,
        )
        return span.page(rows, limit)

    def samples(self, symbol: str, period: str, span: Span, limit: int) -> Sequence[Sample]:
        """Samples at the ends of a period."""
        length = FIXED_MS[period]
        rows = [
            row
            for row in self.symbols[symbol].samples
            if row.time_ms % length == 0 and row.time_ms in span
        ]
        return span.page(rows, limit)


def sample_of(
    contract: Contract, now_ms: int, accounts: Sequence[Account], outside: int, mark_e8: int
) -> Sample:
    """Open interest (of customers and outside) and how the customers stand."""
    longs = shorts = long_accounts = short_accounts = 0
    for account in accounts:
        net = 0
        for (symbol, _), position in account.positions.items():
            if symbol != contract.symbol:
                continue
            net += position.quantity
            longs += max(0, position.quantity)
            shorts += max(0, -position.quantity)
        long_accounts += net > 0
        short_accounts += net < 0
    interest = outside + max(longs, shorts)
    return Sample(
        now_ms,
        interest,
        contract.value_e8(mark_e8, interest),
        long_accounts,
        short_accounts,
        contract.value_e8(mark_e8, longs),
        contract.value_e8(mark_e8, shorts),
    )
