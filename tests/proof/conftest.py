"""A small synthetic market for the proofs."""

from __future__ import annotations

import dataclasses

import pytest
from small_study import SYMBOLS, market

from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument, instrument_for


@pytest.fixture(scope="session")
def frames() -> tuple[MarketFrame, ...]:
    return market(11)


@pytest.fixture(scope="session")
def instruments() -> tuple[Instrument, ...]:
    return tuple(dataclasses.replace(instrument_for(s), min_notional=5.0) for s in SYMBOLS)
