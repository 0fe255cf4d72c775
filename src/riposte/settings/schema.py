"""Every setting there is: its type, its bounds, its default. Frozen; no key that is not named here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
)

from riposte.engine.parameters import NEVER
from riposte.engine.records import PARTIALS
from riposte.errors import InputError
from riposte.layers.forecast.layer import ForecastModel
from riposte.layers.position.covariance import Shrinkage
from riposte.layers.position.portfolio import Weighting
from riposte.layers.regime.layer import RegimeConfig
from riposte.layers.signal.layer import LearnerName, SignalConfig, SignalModel
from riposte.market.instrument import parse_symbol
from riposte.market.interval import format_duration, parse_duration, parse_interval
from riposte.market.series import kind_of
from riposte.proof.splits import parse_groups
from riposte.settings.learners import (
    LightGBMSettings,
    TreeSettings,
    XGBoostSettings,
    over,
    shipped,
)


def _duration(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ValueError("write a duration such as 90s, 5m, 24h or 7d")  # noqa: TRY004  pydantic's way
    try:
        return parse_duration(value)
    except InputError as error:
        raise ValueError(error.message) from None


def _duration_or_never(value: object) -> object:
    return NEVER if value == "never" else _duration(value)


def _show_duration(ns: int) -> str:
    return "never" if ns == NEVER else format_duration(ns)


def _symbol(value: str) -> str:
    try:
        return parse_symbol(value)
    except InputError as error:
        raise ValueError(error.message) from None


def _interval(value: str) -> str:
    try:
        return str(parse_interval(value))
    except InputError as error:
        raise ValueError(error.message) from None


def _inside(value: str) -> str:
    return value if value in ("finest", "none") else _interval(value)


def _kinds(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for kind in value:
            kind_of(kind)
    except InputError as error:
        raise ValueError(error.message) from None
    return value


def _groups(value: str) -> str:
    try:
        parse_groups(value)
    except InputError as error:
        raise ValueError(error.message) from None
    return value


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(_show_duration)]
DurationOrNever = Annotated[
    int, BeforeValidator(_duration_or_never), PlainSerializer(_show_duration)
]
Symbol = Annotated[str, AfterValidator(_symbol)]
Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(_listed), Field(min_length=1)]
Kinds = Annotated[
    tuple[str, ...], BeforeValidator(_listed), AfterValidator(_kinds), Field(min_length=1)
]
IntervalName = Annotated[str, AfterValidator(_interval)]
Groups = Annotated[str, AfterValidator(_groups)]


def _numbers(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return (value,) if isinstance(value, int | float) else value


Fraction = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]
Ladder = Annotated[tuple[Fraction, ...], BeforeValidator(_numbers), Field(max_length=PARTIALS)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class Section(BaseModel):
    """A group of settings: frozen, and no key that is not named here."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(Section):
    """Where the market comes from and which part of it is used."""

    archive: Path | None = None  # folder of recorded history; RIPOSTE_ARCHIVE sets it too
    store: Literal["lake", "postgresql"] = "lake"
    lake: Path = Path("data/lake")
    database: SecretStr | None = None  # postgresql://user:password@host:5432/name
    kinds: Kinds = ("klines", "mark", "index", "premium", "funding", "open_interest", "ratios")
    archive_url: str = "https://data.binance.vision"
    exchange_url: str = ""  # empty: the exchange itself
    trials: Path = Path("data/trials.jsonl")
    nulls: Path = Path("data/nulls")
    feature_cache: Path = Path("data/features")
    feature_cache_gb: Annotated[float, Field(ge=0, le=1000)] = 4.0  # 0: nothing is cached
    connections: Annotated[int, Field(ge=1, le=64)] = 16
    symbols: Symbols = ("BTCUSDT", "ETHUSDT")
    interval: IntervalName = "1h"
    timerange: str = ""  # 20240101-20240201, either side may be open; empty: all there is


def _paths(value: object) -> object:
    return (
        [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, str)
        else value
    )


class FeatureSettings(Section):
    """What the models look at."""

    files: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = ()  # the user's own features
    set: Literal["default", "ppo-30"] = "default"
    selection: Literal["off", "none", "information", "gain", "permutation", "shap"] = "off"
    keep: Annotated[int, Field(ge=0, le=1000)] = 40  # 0: all that are left after pruning
    correlation: Annotated[float, Field(gt=0, le=1)] = 0.95
    selection_seeds: Annotated[int, Field(ge=2, le=50)] = 5
    components: Annotated[int, Field(ge=0, le=200)] = (
        0  # 0: the signal reads the features themselves
    )
    normalise: Literal["none", "zscore", "robust", "minmax"] = "none"
    normalise_window: Duration = parse_duration("7d")


class BarrierSettings(Section):
    """Targets, stops and horizon of a trade. What is not set follows from the interval."""

    take_profit: Positive | None = None
    stop_loss: Positive | None = None
    horizon: Duration | None = None
    scale: Literal["fixed", "volatility", "atr"] | None = None
    volatility_window: Duration | None = None
    min_width: Fraction = 0.002
    max_width: Fraction = 0.10
    atr_bars: Annotated[int, Field(ge=2, le=1000)] = 14  # of trailing stops too
    reading: Literal["symmetric", "upper-lower"] = "symmetric"
    weights: Literal["uniqueness", "return"] = "uniqueness"


class RiskSettings(Section):
    """The limits of SPEC K1-K4 and K6. The bounds here are hard: no file loosens them."""

    margin_fraction: Annotated[float, Field(gt=0, le=0.08)] = 0.08
    max_leverage: Annotated[float, Field(ge=1, le=5)] = 3.0
    risk_fraction: Annotated[float, Field(gt=0, le=0.01)] = 0.01
    max_positions: Annotated[int, Field(ge=1, le=10)] = 10
    heat_fraction: Annotated[float, Field(gt=0, le=0.20)] = 0.20
    max_correlation: Annotated[float, Field(ge=-1, le=0.7)] = 0.7
    liquidation_distance: Annotated[float, Field(ge=0.15, lt=1)] = 0.15
    base_leverage: Annotated[float, Field(ge=1, le=5)] = 3.0
    ladder_trades: Annotated[int, Field(ge=20, le=120)] = 50
    ladder_win_rate: Annotated[float, Field(ge=0.55, lt=1)] = 0.55
    ladder_sharpe: Annotated[float, Field(ge=1.8, le=10)] = 1.8
    ladder_drawdown: Annotated[float, Field(gt=0, le=0.15)] = 0.15
    daily_loss: Annotated[float, Field(gt=0, le=0.03)] = 0.02
    trades_per_day: Annotated[int, Field(ge=1, le=15)] = 15
    losses_in_row: Annotated[int, Field(ge=1, le=8)] = 8
    pause_after_losses: Annotated[int, Field(ge=0, le=8)] = 5
    pause: Duration = parse_duration("24h")
    max_drawdown: Annotated[float, Field(gt=0, le=0.20)] = 0.05
    volatility_ratio: Annotated[float, Field(gt=1, le=3)] = 3.0
    volatility_short: Duration = parse_duration("6h")
    volatility_normal: Duration = parse_duration("30d")
    min_sharpe: Annotated[float, Field(ge=0, le=10)] = 0.5
    sharpe_days: Annotated[int, Field(ge=5, le=120)] = 30
    sharpe_active_days: Annotated[int, Field(ge=1, le=120)] = 10
    min_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.5
    accuracy_signals: Annotated[int, Field(ge=10, le=120)] = 50
    price_collar: Annotated[float, Field(gt=0, le=0.20)] = 0.05
    max_order_notional: Positive = 100_000.0
    orders_per_minute: Annotated[int, Field(ge=1, le=120)] = 30
    stale: Duration = parse_duration("2h")


class CostSettings(Section):
    """What trading costs beyond the instrument's own fees and spread."""

    multiplier: NotNegative = 1.0
    impact: NotNegative = 0.5
    participation: Annotated[float, Field(gt=0, le=1)] = 0.10
    target_order: Literal["limit", "market"] = "limit"


class PositionSettings(Section):
    """The rule-based position layer."""

    sizing: Literal["fixed-fraction", "fractional-kelly", "volatility-target", "confidence"] = (
        "confidence"
    )
    min_confidence: Annotated[float, Field(ge=0.5, le=1)] = 0.65
    kelly_fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    fixed_fraction: Annotated[float, Field(gt=0, le=0.01)] = 0.01
    volatility_target: Positive = 0.15
    partial_at: Ladder = (0.5,)  # empty: none
    partial_share: Ladder = (0.5,)  # one for each
    breakeven_after_partial: bool = True
    trail_after: NotNegative = 1.0
    trail_distance: Positive = 1.0
    trail_atr: NotNegative = 0.0
    add_after: NotNegative = 0.0
    add_share: Fraction = 0.5
    max_adds: Annotated[int, Field(ge=0, le=5)] = 1
    time_exit: bool = True
    exit_on_reversal: bool = True


class PortfolioSettings(Section):
    """How symbols share the account."""

    weights: Weighting = "risk-parity"
    window: Duration = parse_duration("30d")
    shrinkage: Shrinkage = "none"


_SIGNAL = SignalConfig()
_REGIME = RegimeConfig()


class ModelSettings(Section):
    """What is fitted."""

    signal: SignalModel = "blend"
    members: Annotated[tuple[LearnerName, ...], BeforeValidator(_listed), Field(min_length=1)] = (
        "lightgbm",
        "xgboost",
    )  # of a blend or stack
    balance: Annotated[float, Field(ge=0, le=1)] = _SIGNAL.balance
    direction_prior: Annotated[float, Field(gt=0, le=10)] = _SIGNAL.direction_prior
    forecast: ForecastModel = "off"
    forecast_horizon: Duration = parse_duration("4h")
    forecast_in_signal: bool = False
    unlike: Annotated[float, Field(ge=0, lt=0.5)] = 0.01  # 0: never refused
    coverage: Annotated[float, Field(ge=0, lt=1)] = 0.90  # 0: no conformal sets
    expires_after: DurationOrNever = parse_duration("45d")
    seed: Annotated[int, Field(ge=0)] = 7
    folder: Path = Path("models")
    lightgbm: Annotated[LightGBMSettings, over(LightGBMSettings, _SIGNAL.lightgbm)] = (
        LightGBMSettings(**shipped(LightGBMSettings, _SIGNAL.lightgbm))
    )
    xgboost: Annotated[XGBoostSettings, over(XGBoostSettings, _SIGNAL.xgboost)] = XGBoostSettings(
        **shipped(XGBoostSettings, _SIGNAL.xgboost)
    )
    catboost: Annotated[TreeSettings, over(TreeSettings, _SIGNAL.catboost)] = TreeSettings(
        **shipped(TreeSettings, _SIGNAL.catboost)
    )
    forest: Annotated[LightGBMSettings, over(LightGBMSettings, _SIGNAL.forest)] = LightGBMSettings(
        **shipped(LightGBMSettings, _SIGNAL.forest)
    )
    regime: Annotated[LightGBMSettings, over(LightGBMSettings, _REGIME.lightgbm)] = (
        LightGBMSettings(**shipped(LightGBMSettings, _REGIME.lightgbm))
    )


class ExecutionSettings(Section):
    """How orders reach the market, and what margin stands behind a position."""

    margin_mode: Literal["isolated", "cross"] = "isolated"
    entry_order: Literal["market", "limit", "post-only"] = "market"
    entry_offset: Annotated[float, Field(ge=0, le=0.05)] = 0.0
    entry_patience: Annotated[int, Field(ge=1, le=1000)] = 1  # bars
    reprice: bool = True
    cross_after: bool = False
    latency: Duration = 0


class BacktestSettings(Section):
    """The account of a back-test, and the person who would be there."""

    starting_equity: Annotated[float, Field(ge=100, le=1e9)] = 10_000.0
    resumes_after: DurationOrNever = parse_duration("7d")
    inside: Annotated[str, AfterValidator(_inside)] = "finest"


class WalkforwardSettings(Section):
    """Folds in calendar months."""

    train_months: Annotated[int, Field(ge=1, le=60)] = 6
    test_months: Annotated[int, Field(ge=1, le=12)] = 1
    step_months: Annotated[int, Field(ge=1, le=12)] = 1
    folds: Annotated[int, Field(ge=0, le=1000)] = 0  # only so many of the newest; 0: all
    cpcv: Groups = ""  # groups and test groups, such as 6,2; nothing: no cross-validation
    embargo: Duration = parse_duration("1h")
    workers: Annotated[int, Field(ge=0, le=256)] = 0  # 0: one per core
    random_seeds: Annotated[int, Field(ge=1, le=1000)] = 20
    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    trade_resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    market_resamples: Annotated[int, Field(ge=20, le=100_000)] = 200


class TuneSettings(Section):
    """The search for hyper-parameters."""

    storage: SecretStr | None = None  # none: a file beside the lake, or the database of the store
    trials: Annotated[int, Field(ge=2, le=100_000)] = 50
    splits: Annotated[int, Field(ge=2, le=50)] = 4
    models: Annotated[tuple[SignalModel, ...], BeforeValidator(_listed), Field(min_length=1)] = (
        "lightgbm",
        "xgboost",
        "blend",
        "stack",
    )


class ReportSettings(Section):
    """Where reports go."""

    folder: Path = Path("reports")


class Settings(Section):
    """The whole configuration."""

    preset: Literal["survival", "four-layer", "open-interest", "ppo"] = "survival"
    data: DataSettings = DataSettings()
    features: FeatureSettings = FeatureSettings()
    barriers: BarrierSettings = BarrierSettings()
    risk: RiskSettings = RiskSettings()
    costs: CostSettings = CostSettings()
    position: PositionSettings = PositionSettings()
    execution: ExecutionSettings = ExecutionSettings()
    portfolio: PortfolioSettings = PortfolioSettings()
    model: ModelSettings = ModelSettings()
    backtest: BacktestSettings = BacktestSettings()
    walkforward: WalkforwardSettings = WalkforwardSettings()
    tune: TuneSettings = TuneSettings()
    report: ReportSettings = ReportSettings()
