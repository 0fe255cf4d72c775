"""Made-up studies for the report's tests: one full of everything, one in which nothing happened."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from riposte.engine.enums import Halt, Reason, TradingState
from riposte.engine.records import FILL, REFUSAL, TRADE, new_account, new_positions
from riposte.engine.run import RunResult
from riposte.layers.contract import REGIMES
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.chance.results import FAN, Chance, MarketLuck, Measured, NullDraw, NullKind
from riposte.proof.chance.standing import null_tests
from riposte.proof.chance.trades import resampled_trades
from riposte.proof.honesty import Honesty, PathStudy, chosen_by_the_past, honesty
from riposte.proof.metrics import (
    METRICS,
    by_group,
    curve_measures,
    daily_returns,
    drawdown,
    measure,
)
from riposte.proof.results import (
    FoldResult,
    Importance,
    LadderRung,
    Outcome,
    PriceHistory,
    Reliability,
    Silences,
    Study,
)
from riposte.proof.silences import total
from riposte.proof.targets import judge

START = 1_593_561_600 * 1_000_000_000  # 2020-07-01
EQUITY = 10_000.0
GROUPS = ("momentum", "volatility", "open interest", "funding", "trend", "volume")


def _prices(symbol: str, bars: int, first: float, rng: np.random.Generator) -> PriceHistory:
    close = first * np.exp(np.cumsum(rng.standard_t(4, bars) * 0.004 + 2e-5))
    opened = np.concatenate([[first], close[:-1]])
    wick = 1.0 + np.abs(rng.normal(0, 0.002, (2, bars)))
    return PriceHistory(
        symbol=symbol,
        time=START + np.arange(bars) * HOUR_NS,
        open=opened,
        high=np.maximum(opened, close) * wick[0],
        low=np.minimum(opened, close) / wick[1],
        close=close,
        regime=np.repeat(rng.integers(-1, len(REGIMES), bars // 48 + 1), 48)[:bars].astype(np.int8),
    )


def _trades(prices: tuple[PriceHistory, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    trades = np.zeros(count, TRADE)
    bars = len(prices[0].time)
    entry = np.sort(rng.integers(0, bars - 30, count))
    held = rng.integers(1, 24, count)
    trades["symbol"] = rng.integers(0, len(prices), count)
    trades["side"] = rng.choice([-1, 1], count)
    for i, trade in enumerate(trades):
        price = prices[trade["symbol"]]
        trade["opened_at"] = price.time[entry[i]]
        trade["closed_at"] = price.time[entry[i] + held[i]]
        trade["entry_price"] = price.open[entry[i]]
        trade["exit_price"] = price.open[entry[i] + held[i]]
        trade["regime"] = price.regime[entry[i]]
    trades["exit_reason"] = rng.choice(
        [Reason.STOP, Reason.TARGET, Reason.TIME, Reason.REVERSAL], count
    )
    trades["quantity"] = 500.0 / trades["entry_price"]
    move = trades["side"] * (trades["exit_price"] - trades["entry_price"])
    trades["realised"] = move * trades["quantity"]
    trades["fees"] = 0.5
    trades["funding"] = rng.normal(0.02, 0.05, count)
    trades["slippage"] = 0.2
    trades["net"] = trades["realised"] - trades["fees"] - trades["funding"]
    trades["net_fraction"] = trades["net"] / EQUITY
    trades["confidence"] = rng.uniform(0.65, 0.9, count)
    return trades


def _run(
    prices: tuple[PriceHistory, ...], trades: np.ndarray, rng: np.random.Generator
) -> RunResult:
    time = prices[0].time + HOUR_NS
    at = np.searchsorted(time, trades["closed_at"])
    steps = np.zeros(len(time))
    np.add.at(steps, at, trades["net"])
    equity = EQUITY + np.cumsum(steps)
    state = np.zeros(len(time), np.int8)
    halt = np.zeros(len(time), np.int8)
    for first, length, why in (
        (3000, 20, Halt.DAILY_LOSS),
        (7000, 9, Halt.DAILY_LOSS),
        (12000, 200, Halt.DRAWDOWN),
        (15000, 30, Halt.REVIEW),
        (20000, 5, Halt.VOLATILITY),
    ):
        state[first : first + length] = TradingState.HALTED
        halt[first : first + length] = why
    fills = np.zeros(2 * len(trades), FILL)
    fills["quantity"] = np.repeat(trades["quantity"], 2)
    fills["price"] = np.repeat(trades["entry_price"], 2)
    fills["fee"] = np.repeat(trades["fees"] / 2, 2)
    fills["slippage"] = np.repeat(trades["slippage"] / 2, 2)
    return RunResult(
        time=time,
        equity=equity,
        exposure=np.where(rng.random(len(time)) < 0.2, 0.3, 0.0),
        state=state,
        halt=halt,
        trades=trades,
        fills=fills,
        refusals=np.zeros(0, REFUSAL),
        account=new_account(EQUITY),
        positions=new_positions(len(prices)),
    )


def _outcome(name: str, note: str, run: RunResult) -> Outcome:
    metrics = measure(
        run.time, run.equity, EQUITY, trades=run.trades, fills=run.fills, exposure=run.exposure
    )
    return Outcome(name, note, run.time, run.equity, metrics)


def _drifted(name: str, note: str, base: Outcome, slope: float) -> Outcome:
    equity = base.equity * np.linspace(1.0, 1.0 + slope, len(base.equity))
    curve = curve_measures(base.time, equity, EQUITY)
    return Outcome(name, note, base.time, equity, {**base.metrics, **curve})


def _held(prices: tuple[PriceHistory, ...], base: Outcome) -> Outcome:
    equity = EQUITY * np.mean([p.close / p.close[0] for p in prices], axis=0)
    nothing = dict.fromkeys(METRICS, np.nan)
    metrics = nothing | curve_measures(base.time, equity, EQUITY) | {"trades": 2.0, "fees": 9.99}
    note = "Equal weights bought at the start and held."
    return Outcome("Buy and hold", note, base.time, equity, metrics)


def _folds(run: RunResult, months: int, rng: np.random.Generator) -> tuple[FoldResult, ...]:
    out = []
    step = len(run.time) // months
    for i in range(months):
        start, end = int(run.time[i * step]), int(run.time[min((i + 1) * step, len(run.time) - 1)])
        loss = float(rng.normal(1.02, 0.02))
        out.append(
            FoldResult(
                index=i,
                train_start=start - 182 * DAY_NS,
                train_end=start,
                test_start=start,
                test_end=end,
                train_rows=8600,
                test_rows=1440,
                purged_rows=48,
                accuracy=float(rng.normal(0.47, 0.03)),
                f1=float(rng.normal(0.36, 0.03)),
                log_loss=loss,
                base_log_loss=1.03,
                calibration_error=float(rng.uniform(0.02, 0.09)),
                signals=int(rng.integers(0, 60)),
                trades=int(rng.integers(0, 30)),
                net_return=float(rng.normal(-0.0005, 0.006)),
            )
        )
    return tuple(out)


WAYS = ((0.65, False, True), (0.65, False, False), (0.5, True, True), (0.5, True, False))


def _draw(kind: NullKind, number: int, rng: np.random.Generator, drift: float) -> NullDraw:
    luck = rng.normal(0.0, 0.02)
    ways = tuple(
        Measured(t, every, paid, (luck + drift) * (1.0 if every else 0.1) - 0.03 * paid * every,
                 luck * 40.0, 0.03, 900 if every else 40)
        for t, every, paid in WAYS
    )  # fmt: skip
    return NullDraw(kind, number, ways)


def chance_of(run: RunResult, seed: int = 5, draws: int = 20) -> Chance:
    """What resampling and null tests could have said of a run."""
    rng = np.random.default_rng(seed)
    days, markets = 1824, 200
    curves = np.cumprod(1.0 + rng.normal(-3e-5, 0.0008, (markets, days)), axis=1) - 1.0
    traded = len(run.trades) > 0
    if not traded:
        curves[:] = 0.0
    return Chance(
        trades=resampled_trades(run.trades, 0.05, seed=seed, resamples=2000),
        market=MarketLuck(
            days=days,
            mean_block_days=10.0,
            total_return=curves[:, -1],
            sharpe=rng.normal(-0.4, 0.5, markets) if traded else np.full(markets, np.nan),
            max_drawdown=np.abs(rng.normal(0.06, 0.02, markets)) * traded,
            trades=np.full(markets, float(len(run.trades))),
            fan=np.quantile(curves, FAN, axis=0),
        ),
        real=tuple(
            Measured(t, every, paid, (-0.012 if paid else 0.02) * traded, -0.4, 0.05, 640 * traded)
            for t, every, paid in WAYS
        ),
        nulls=null_tests(
            _draw(kind, number, rng, drift)
            for kind, drift in (("walk", 0.0), ("labels", 0.004))
            for number in range(draws)
        ),
    )


def _honesty(run: RunResult, rng: np.random.Generator) -> Honesty:
    daily = daily_returns(run.time, run.equity, EQUITY)
    wobble = float(daily.std()) or 1e-4
    choices = {"Riposte": daily} | {
        f"from {t:.0%}": daily + rng.normal(0.0, wobble, len(daily)) for t in (0.5, 0.55, 0.6)
    }
    sharpes = {"thresholds": [0.1, 0.4, -0.3], "logged runs": [0.9]}
    return honesty(daily, trials=32, sharpes=sharpes, choices=choices)


def _paths(run: RunResult, rng: np.random.Generator) -> PathStudy:
    time = run.time[23::24]
    moves = rng.normal(0.00002, 0.002, (5, len(time)))
    equity = EQUITY * np.cumprod(1.0 + moves, axis=1)
    metrics = [
        dict.fromkeys(METRICS, 40.0) | curve_measures(time, curve, EQUITY) | {"win_rate": 0.5}
        for curve in equity
    ]
    edges = np.linspace(run.time[0], run.time[-1], 7).astype(np.int64)
    return PathStudy(
        groups=tuple((int(a), int(b)) for a, b in itertools.pairwise(edges)),
        test_groups=2,
        folds=15,
        unfitted=1,
        metrics=tuple(metrics),
        time=time,
        equity=equity,
        overfitting=chosen_by_the_past(moves.T),
        choices=tuple(f"from {t:.0%}" for t in (0.5, 0.55, 0.6, 0.65, 0.7)),
    )


SILENCES = Silences(
    rows=87_000,
    reasons={
        "would not pay after costs": 61_234,
        "sides not told apart": 40_321,
        "unlike the training": 1_750,
        "model expired": 0,
    },
    directed=9_876,
    resolved=70_412,
    covered=61_998,
)


def full_study(*, bars: int = 43_800, trades: int = 640, seed: int = 3) -> Study:
    """Five years of hourly bars of two symbols, with trades, halts and everything else."""
    rng = np.random.default_rng(seed)
    prices = (_prices("BTCUSDT", bars, 9_150.0, rng), _prices("ETHUSDT", bars, 225.6, rng))
    run = _run(prices, _trades(prices, trades, rng), rng)
    system = _outcome("Riposte", "The four layers, acted on from 65% confidence.", run)
    metrics = {**system.metrics, "accuracy": 0.471}
    system = dataclasses.replace(system, metrics=metrics)
    weights = np.sort(rng.exponential(1.0, 64))[::-1]
    return Study(
        title="Walk-forward of BTCUSDT and ETHUSDT, 1h",
        source="recorded history from a local archive (Binance USD-M)",
        real_data=True,
        created="2025-07-01T00:00:00Z",
        version="0.1.0",
        settings='[risk]\npreset = "survival"\n\n[exchange]\napi_key = "********"\n',
        symbols=("BTCUSDT", "ETHUSDT"),
        interval="1h",
        barriers="target 1.5 and stop 0.5 times the volatility expected over 1d, at most 1d",
        start=int(run.time[0]),
        end=int(run.time[-1]),
        starting_equity=EQUITY,
        prices=prices,
        run=run,
        system=system,
        never_resumed=_drifted(
            "Nobody resumes", "The same, but nobody lifts a shut-down.", system, -0.01
        ),
        baselines=(
            _held(prices, system),
            _drifted("Random entries", "Chance; 5 to 95 % from -6.2% to +1.1%.", system, -0.04),
            _drifted("Open-interest signal alone", "The rule-based score.", system, -0.09),
        ),
        cost_what_ifs=tuple(
            _drifted(f"Costs × {m}", "Fees and slippage.", system, 0.04 - 0.04 * m)
            for m in (0, 1, 2)
        ),
        ladder=tuple(
            LadderRung(t, int(4000 * (0.8 - t)), dict(system.metrics))
            for t in (0.5, 0.55, 0.6, 0.65, 0.7)
        ),
        folds=_folds(run, 60, rng),
        reliability=Reliability(
            promised=np.array([0.53, 0.58, 0.63, 0.68, 0.73, 0.78, 0.83, 0.88]),
            observed=np.array([0.51, 0.54, 0.58, 0.61, 0.66, 0.64, 0.71, 0.40]),
            count=np.array([12000.0, 9000, 6000, 3200, 1400, 500, 120, 20]),
            error=0.043,
        ),
        silences=SILENCES,
        promised_coverage=0.9,
        promised_unlike=0.01,
        targets=judge(metrics),
        importance=tuple(
            Importance(f"feature_number_{i}", GROUPS[i % len(GROUPS)], float(w / weights.sum()))
            for i, w in enumerate(weights)
        ),
        intervals={
            "total_return": (-0.041, 0.016),
            "sharpe": (-1.1, 0.6),
            "max_drawdown": (0.021, 0.094),
            "calmar": (-0.3, 0.5),
        },
        by_symbol=by_group(run.trades, run.trades["symbol"], {0: "BTCUSDT", 1: "ETHUSDT"}),
        by_regime=by_group(
            run.trades, run.trades["regime"], {**dict(enumerate(REGIMES)), -1: "unknown"}
        ),
        by_exit=by_group(run.trades, run.trades["exit_reason"], {int(r): r.name for r in Reason}),
        refusals={"TRADES_PER_DAY": 812, "PAUSED": 120, "MIN_NOTIONAL": 3},
        quality=("BTCUSDT 1h: one flat bar without volume at 2024-10-28 20:00 (note).",),
        trials=9,
        chance=chance_of(run),
        honesty=_honesty(run, rng),
        paths=_paths(run, rng),
        fingerprint="0123456789abcdef",
    )


def drawdown_of(study: Study) -> np.ndarray:
    """The system's drawdown, as the report shows it."""
    return drawdown(study.run.equity, study.starting_equity)


def empty_study() -> Study:
    """One symbol of synthetic data, no trade, no fitted fold, and every measure undefined."""
    whole = full_study(bars=900, trades=0)
    nothing = dict.fromkeys(METRICS, np.nan) | {"total_return": 0.0, "trades": 0.0}
    run = dataclasses.replace(
        whole.run,
        equity=np.full(900, EQUITY),
        state=np.zeros(900, np.int8),
        halt=np.zeros(900, np.int8),
    )

    def still(outcome: Outcome) -> Outcome:
        return dataclasses.replace(outcome, equity=run.equity, metrics=nothing)

    return dataclasses.replace(
        whole,
        title="Nothing happened",
        source="the built-in synthetic market",
        real_data=False,
        symbols=("BTCUSDT",),
        prices=whole.prices[:1],
        run=run,
        system=still(whole.system),
        never_resumed=still(whole.never_resumed),
        baselines=(),
        cost_what_ifs=tuple(map(still, whole.cost_what_ifs)),
        ladder=(),
        folds=tuple(
            dataclasses.replace(
                f,
                accuracy=np.nan,
                f1=np.nan,
                log_loss=np.nan,
                base_log_loss=np.nan,
                calibration_error=np.nan,
                net_return=0.0,
            )
            for f in whole.folds[:1]
        ),
        reliability=Reliability(np.zeros(0), np.zeros(0), np.zeros(0), np.nan),
        silences=total(()),
        promised_coverage=0.9,
        promised_unlike=0.01,
        targets=judge({**nothing, "accuracy": np.nan}),
        importance=(),
        intervals={"total_return": (np.nan, np.nan)},
        honesty=honesty(np.zeros(37), trials=32, sharpes={}, choices={}),
        paths=None,
        by_symbol={},
        by_regime={},
        by_exit={},
        refusals={},
        quality=(),
        chance=chance_of(run, draws=0),
    )
