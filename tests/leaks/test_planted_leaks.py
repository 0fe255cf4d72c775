"""Ten leaks as they are found in the wild, each planted in the real pipeline, each caught by the product.

Every check is also run on the pipeline as it is, and must find nothing there.
"""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import archive_files
import numpy as np
import pytest
from honest_pipeline import BARRIERS, HOUR, reassembled

from riposte.errors import InputError
from riposte.features.catalogue import catalogue
from riposte.features.causality import refuse_unsound
from riposte.features.matrix import build_matrix
from riposte.layers.contract import Classes, TrainingSet
from riposte.layers.stack import StackConfig, fit_stack
from riposte.market.assemble import assemble
from riposte.market.barriers import barrier_widths
from riposte.market.frame import Floats, MarketFrame, make_frame
from riposte.market.interval import DAY_NS, HOUR_NS, MINUTE_NS, parse_interval
from riposte.market.series import Series, make_series
from riposte.market.timeframes import coarser, known_at
from riposte.proof.dataset import SymbolData, training_set
from riposte.proof.known_times import frame_known, stamps_known
from riposte.proof.leak_checks import (
    check_fold,
    decisions,
    fit_scope,
    prove_causal,
    too_good,
)
from riposte.proof.splits import Fold, Span
from riposte.sources.archive.layout import ArchiveFile
from riposte.sources.archive.parse import parse
from riposte.sources.user_features import load_features

FIVE = parse_interval("5m")


def user_file(folder: Path, name: str, body: str, parameters: str = "close") -> Path:
    path = folder / f"{name}.py"
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    path.write_text(f'''
import numpy as np
from riposte.features.catalogue import feature

@feature("mine", lookback=lambda: 30)
def {name}({parameters}):
    """A leak.

    Formula: x
    Unit: x
    Look-back: 30 bars
    Source: x
    """
{lines}
''')
    return path


def shifted(series: Series, by_ns: int) -> Series:
    """The same values with other stamps."""
    return make_series(
        series.kind, series.symbol, series.interval, series.event_time + by_ns, series.columns
    )


def with_column(frame: MarketFrame, name: str, values: Floats) -> MarketFrame:
    columns = {**frame.columns, name: values}
    return make_frame(frame.symbol, frame.interval, frame.open_time, columns)


def with_feature(rows: TrainingSet, name: str, values: Floats) -> TrainingSet:
    return dataclasses.replace(
        rows, features=np.column_stack([rows.features, values]), names=(*rows.names, name)
    )


# -- the pipeline as it is ------------------------------------------------------------------------


def test_nothing_is_found_in_the_pipeline_as_it_is(
    frame: MarketFrame,
    recorded: MarketFrame,
    series: dict[str, Series],
    rows: TrainingSet,
    fold: Fold,
) -> None:
    assert check_fold(rows, fold, HOUR_NS) == ()
    assert too_good(rows) == ()
    assert frame_known(recorded, series) == ()
    assert frame_known(frame, series) == ()
    assert stamps_known(series) == ()


def test_the_whole_pipeline_from_frame_to_signal_is_causal(
    frame: MarketFrame, rows: TrainingSet, data: SymbolData
) -> None:
    stack = fit_stack(rows, StackConfig())

    def pipeline(history: MarketFrame):  # type: ignore[no-untyped-def]
        matrix = build_matrix(history, stack.names)
        widths = barrier_widths(history, BARRIERS)
        return decisions(stack.signals(matrix.values, *widths, 0.0014, matrix.close_time))

    assert prove_causal(pipeline, frame, [2_000, 4_999]) == ()


# -- 1 to 3: features -----------------------------------------------------------------------------


def test_1_the_future_return_as_a_feature(
    tmp_path: Path, frame: MarketFrame, rows: TrainingSet, data: SymbolData
) -> None:
    body = (
        "out = np.full(len(close), np.nan)\nout[:-4] = np.log(close[4:] / close[:-4])\nreturn out"
    )
    own = load_features([user_file(tmp_path, "next_hours", body)])
    with pytest.raises(InputError, match="'next_hours' looks ahead: .* needs 4 later bars"):
        refuse_unsound(own, frame)
    # The same feature inside a pipeline, and inside the training rows.
    known = {**catalogue(), **own}

    def pipeline(history: MarketFrame):  # type: ignore[no-untyped-def]
        return {"signal": np.sign(build_matrix(history, ["next_hours"], known).values[:, 0])}

    found = prove_causal(pipeline, frame, [3_000])
    assert [leak.what for leak in found] == ["signal", "signal"]
    assert "looks at least" in str(found[0])
    values = build_matrix(frame, ["next_hours"], known).values[:, 0]
    at = np.searchsorted(frame.close_time, rows.time)
    assert [leak.what for leak in too_good(with_feature(rows, "next_hours", values[at]))] == [
        "next_hours"
    ]


def test_2_a_centred_window(tmp_path: Path, frame: MarketFrame) -> None:
    body = (
        "mean = np.convolve(np.pad(close, 5, mode='edge'), np.full(11, 1 / 11), mode='valid')\n"
        "return close / mean - 1.0"
    )
    own = load_features([user_file(tmp_path, "distance_from_centre", body)])
    with pytest.raises(InputError, match="'distance_from_centre' looks ahead: .* 5 later bars"):
        refuse_unsound(own, frame)


def test_3_the_label_inside_a_feature(
    tmp_path: Path, frame: MarketFrame, rows: TrainingSet
) -> None:
    chance = np.random.default_rng(3)
    for noise in (0.0, 0.5, 1.0):
        hidden = rows.label + noise * chance.standard_normal(len(rows))
        found = too_good(with_feature(rows, "sentiment", hidden))
        assert {leak.what for leak in found} == {"sentiment"}, noise
        assert "alone tells LONG from SHORT out of fold" in str(found[0])
    body = (
        "future = np.lib.stride_tricks.sliding_window_view(np.append(close, np.full(24, close[-1])), 25)\n"
        "return np.sign(future.max(axis=1) / close - 1.01)"
    )
    own = load_features([user_file(tmp_path, "reached_target", body)])
    with pytest.raises(InputError, match="'reached_target' looks ahead"):
        refuse_unsound(own, frame)


# -- 4 to 6: fitting ------------------------------------------------------------------------------


def learned_rows(rows: TrainingSet) -> np.ndarray:
    return rows.time < rows.time[int(0.7 * len(rows))]


def scaled_on(fit_on: np.ndarray):  # type: ignore[no-untyped-def]
    def transform(features: Floats, label: Classes) -> Floats:
        middle = np.nanmean(features[fit_on], axis=0)
        return (features - middle) / np.nanstd(features[fit_on], axis=0)

    return transform


def test_4_a_scaler_fitted_on_all_data(rows: TrainingSet) -> None:
    learned = learned_rows(rows)
    part = rows.features[:, :12]
    assert fit_scope(scaled_on(learned), part, rows.label, learned) == ()
    found = fit_scope(scaled_on(np.ones_like(learned)), part, rows.label, learned)
    assert [leak.what for leak in found] == ["features", "other rows"]
    assert "it was fitted on those too" in str(found[0])
    # The test rows scaled by their own statistics: the training is clean, the test is not.

    def by_part(features: Floats, label: Classes) -> Floats:
        out = scaled_on(learned)(features, label)
        out[~learned] = scaled_on(~learned)(features, label)[~learned]
        return out

    (leak,) = fit_scope(by_part, part, rows.label, learned)
    assert leak.what == "other rows"


def test_5_an_unpurged_fold(data: SymbolData, rows: TrainingSet, fold: Fold) -> None:
    assert check_fold(rows, fold, HOUR_NS) == ()
    # Every row that was settled in the first two days of the test, and those decided in them.
    later = Span(fold.test_start + 2 * DAY_NS, fold.test_end)
    late = dataclasses.replace(fold, train_end=later.start, test=(later,))
    unpurged, _ = training_set([data], late, 0)
    found = check_fold(unpurged, fold, HOUR_NS)
    assert [leak.what for leak in found] == ["decision", "label", "regime label"]
    assert "they know prices of its test" in str(found[1])
    # Purged, but without the embargo.
    bare, _ = training_set([data], fold, 0)
    assert [leak.what for leak in check_fold(bare, fold, 6 * HOUR_NS)][:1] == ["label"]


def encoded(label: Classes, group: np.ndarray, fit_on: np.ndarray, groups: int) -> Floats:
    """Mean label of each row's group over the rows ``fit_on``."""
    total = np.bincount(group[fit_on], weights=label[fit_on].astype(float), minlength=groups)
    count = np.bincount(group[fit_on], minlength=groups)
    return (total / np.maximum(count, 1))[group][:, None]


def test_6_target_encoding(rows: TrainingSet) -> None:
    learned = learned_rows(rows)
    hour = (rows.time // HOUR_NS % 24).astype(np.int64)
    earlier = learned & (np.arange(len(rows)) < learned.sum() // 2)

    def on_all(features: Floats, label: Classes) -> Floats:
        return encoded(label, hour, np.ones_like(learned), 24)

    def on_training(features: Floats, label: Classes) -> Floats:
        return encoded(label, hour, learned, 24)

    def on_earlier(features: Floats, label: Classes) -> Floats:
        out = encoded(label, hour, earlier, 24)
        out[earlier] = np.nan  # the rows whose labels made it do not get it
        return out

    found = fit_scope(on_all, rows.features[:, :3], rows.label, learned)
    assert [leak.what for leak in found] == ["labels", "own label"]
    (leak,) = fit_scope(on_training, rows.features[:, :3], rows.label, learned)
    assert "its own label" in str(leak)
    assert fit_scope(on_earlier, rows.features[:, :3], rows.label, learned) == ()


# -- 7 to 10: when a value was known --------------------------------------------------------------


def test_7_an_hours_value_known_before_the_hour_has_closed(
    tmp_path: Path, candles_5m: Series, series: dict[str, Series]
) -> None:
    minutes = assemble("BTCUSDT", FIVE, {"klines": candles_5m})
    hours = coarser(minutes, HOUR)
    honest = known_at(minutes, hours, hours["close"])
    early = np.full(len(minutes), np.nan)  # each bar gets the value of the hour it lies in
    place = np.searchsorted(hours.open_time, minutes.open_time, side="right") - 1
    inside = (place >= 0) & (minutes.open_time < hours.close_time[np.maximum(place, 0)])
    early[inside] = hours["close"][place[inside]]
    # The hours' closes as mark prices, which hold at the hour's end.
    mark = make_series(
        "mark", "BTCUSDT", HOUR, hours.close_time, {"mark_price": np.array(hours["close"])}
    )
    kinds = {"klines": candles_5m, "mark": mark}
    assert frame_known(assemble("BTCUSDT", FIVE, kinds), kinds) == ()
    assert frame_known(with_column(minutes, "mark_price", honest), kinds) == ()
    (leak,) = frame_known(with_column(minutes, "mark_price", early), kinds)
    assert leak.what == "mark_price"
    assert "published 55m later" in str(leak) or "later; so it is in" in str(leak)
    # As a feature of the user's.
    body = (
        "hour = close_time // 3_600_000_000_000\n"
        "last = np.searchsorted(hour, hour, side='right') - 1\n"
        "return close[last] / close - 1.0"
    )
    own = load_features([user_file(tmp_path, "hour_close", body, "close, close_time")])
    with pytest.raises(InputError, match="'hour_close' looks ahead: .*(later bars|next bar)"):
        refuse_unsound(own, minutes.rows(0, 3_000))


def test_7b_longer_bars_whose_candle_is_the_next_one(
    frame: MarketFrame, series: dict[str, Series]
) -> None:
    moved = np.append(frame["close"][1:], frame["close"][-1])
    high = np.maximum(frame["high"], moved)
    low = np.minimum(frame["low"], moved)
    planted = make_frame(
        frame.symbol,
        frame.interval,
        frame.open_time,
        {**frame.columns, "close": moved, "high": high, "low": low},
    )
    found = {leak.what: str(leak) for leak in frame_known(planted, series)}
    assert "that of the bar that closes 1h later" in found["close"]


def test_8_the_mark_price_at_the_bars_open_time(
    frame: MarketFrame, series: dict[str, Series]
) -> None:
    wrong = {**series, "mark": shifted(series["mark"], -HOUR_NS)}
    (leak,) = frame_known(reassembled(wrong, frame), series)
    assert leak.what == "mark_price"
    assert "the value published 1h later" in str(leak)
    # Without the right series at hand: the stamps give it away.
    (leak,) = stamps_known(wrong)
    assert leak.what == "mark_price"
    assert "the stamps are 1h early" in str(leak)


def metrics_file(day: date, *, starts: bool) -> dict[str, Series]:
    file = ArchiveFile(archive_files.DATASETS["metrics"], "BTCUSDT", None, day.replace(day=1), day)
    content = archive_files.zipped(archive_files.metrics(day, starts=starts))
    return {each.kind: each for each in parse(file, content).series}


def test_9_open_interest_known_five_minutes_early() -> None:
    """From 2026-06-25 on the archive's labels are starts: believed to be ends, they are early."""
    day = date(2026, 6, 25)
    right = metrics_file(day, starts=True)
    times = np.arange(archive_files.ms(day), archive_files.ms(day) + 86_400_000, 60_000)
    price = np.asarray(archive_files.price(times))
    candles = make_series(
        "klines",
        "BTCUSDT",
        parse_interval("1m"),
        times * 1_000_000,
        {
            "open": price,
            "high": price + 1,
            "low": price - 1,
            "close": price,
            "volume": np.full(len(times), 10.0),
        },
    )
    kinds = {"klines": candles, **right}
    assert frame_known(assemble("BTCUSDT", parse_interval("1m"), kinds), kinds) == ()
    wrong = {kind: shifted(each, -5 * MINUTE_NS) for kind, each in right.items()}
    early = assemble("BTCUSDT", parse_interval("1m"), {"klines": candles, **wrong})
    found = {leak.what: str(leak) for leak in frame_known(early, kinds)}
    assert "the value published 5m later" in found["open_interest"]


def test_9b_early_stamps_of_open_interest_show_in_the_recorded_volume(
    series: dict[str, Series],
) -> None:
    assert stamps_known(series) == ()
    early = {**series, "open_interest": shifted(series["open_interest"], -HOUR_NS)}
    (leak,) = stamps_known(early)
    assert leak.what == "open_interest"
    assert "the stamps are 1h early" in str(leak)
    assert (
        stamps_known({**series, "open_interest": shifted(series["open_interest"], HOUR_NS)}) == ()
    )


def test_9c_early_stamps_of_metrics_show_in_the_taker_volume(candles_5m: Series) -> None:
    chance = np.random.default_rng(9)
    bought = candles_5m["volume"] * chance.uniform(0.3, 0.7, len(candles_5m))
    klines = make_series(
        "klines",
        "BTCUSDT",
        FIVE,
        candles_5m.event_time,
        {**candles_5m.columns, "taker_buy_volume": bought},
    )
    traded = np.flatnonzero((bought > 0) & (klines["volume"] > bought))
    ratio = (bought / (klines["volume"] - bought))[traded]
    ends = klines.event_time[traded] + FIVE.ns
    ratios = make_series(
        "ratios", "BTCUSDT", FIVE, ends, {"taker_volume_ratio": np.round(ratio, 4)}
    )
    assert stamps_known({"klines": klines, "ratios": ratios}) == ()
    (leak,) = stamps_known({"klines": klines, "ratios": shifted(ratios, -FIVE.ns)})
    assert "the taker volume fits the candles 5m after its stamps" in str(leak)


def test_10_missing_values_filled_from_behind(
    tmp_path: Path, frame: MarketFrame, series: dict[str, Series]
) -> None:
    interest = series["open_interest"]
    kept = np.ones(len(interest), np.bool_)
    hole = np.searchsorted(interest.event_time, int(frame.open_time[3_000]))
    kept[hole : hole + 30] = False
    holed = make_series(
        interest.kind,
        interest.symbol,
        interest.interval,
        interest.event_time[kept],
        {"open_interest": interest["open_interest"][kept]},
    )
    kinds = {**series, "open_interest": holed}
    honest = reassembled(kinds, frame)
    assert np.isnan(honest["open_interest"]).sum() > 20
    assert frame_known(honest, kinds) == ()
    values = np.array(honest["open_interest"])
    missing = np.flatnonzero(np.isnan(values))
    filled = values.copy()
    for row in missing[::-1]:
        filled[row] = filled[row + 1]
    (leak,) = frame_known(with_column(honest, "open_interest", filled), kinds)
    assert "later" in str(leak)
    drawn = values.copy()  # a straight line over the hole knows its far end too
    drawn[missing] = np.interp(
        missing, np.flatnonzero(~np.isnan(values)), values[~np.isnan(values)]
    )
    (leak,) = frame_known(with_column(honest, "open_interest", drawn), kinds)
    assert "was never published" in str(leak)
    body = (
        "import polars as pl\n"
        "filled = pl.Series(open_interest).fill_nan(None).fill_null(strategy='backward')\n"
        "return np.log(filled.fill_null(1.0).to_numpy())"
    )
    own = load_features([user_file(tmp_path, "interest_filled", body, "open_interest")])
    with pytest.raises(InputError, match="'interest_filled' looks ahead"):
        refuse_unsound(own, frame)  # though this history has no hole
