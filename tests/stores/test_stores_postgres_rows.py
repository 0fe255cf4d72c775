"""Rows as PostgreSQL takes and gives them, without a server."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.market.series import Series, make_series, merge
from riposte.stores.postgres_rows import copied, differing, nanoseconds, timestamp

START = int(np.datetime64("2000-01-01", "ns").astype(np.int64))


def test_a_row_is_encoded_as_the_protocol_of_copy_has_it() -> None:
    """Fields in network order after their lengths; a missing value is a length of -1 alone."""
    columns = {"long_liquidations": np.array([1.0, np.nan]), "short_liquidations": np.ones(2)}
    times = START + np.array([1000, 2000], dtype=np.int64)
    series = make_series("liquidations", "BTCUSDT", None, times, columns)
    content = b"".join(copied(258, [series], tuple(columns)))
    assert content == bytes.fromhex(
        "5047434f50590aff0d0a00 00000000 00000000"
        "0004 00000004 00000102 00000008 0000000000000001"
        "00000008 3ff0000000000000 00000008 3ff0000000000000"
        "0004 00000004 00000102 00000008 0000000000000002"
        "ffffffff 00000008 3ff0000000000000"
        "ffff"
    )


@given(st.integers(-(2**63) + 1000, 2**63 - 1))
def test_a_moment_is_the_next_microsecond(time_ns: int) -> None:
    found = nanoseconds(timestamp(time_ns))
    assert found % 1000 == 0
    assert 0 <= found - time_ns < 1000 or found == (2**63 - 1) // 1000 * 1000


def test_times_that_cannot_be_are_the_ends_of_time() -> None:
    assert timestamp(-(2**70)) < timestamp(0) < timestamp(2**70)
    assert timestamp(2**70).year == 2262


values = st.sampled_from([np.nan, 0.0, -0.0, 1.0, 2.0])


@st.composite
def rows(draw: st.DrawFn, kind: str) -> Series:
    keyed = kind == "trades"
    moments = draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=10, unique=True)
        if keyed
        else st.lists(st.tuples(st.integers(0, 12)), max_size=10, unique=True)
    )
    moments.sort()
    size = len(moments)
    names = ["price", "quantity", "buyer_is_maker"] if keyed else ["global_account_ratio"]
    if not keyed and draw(st.booleans()):
        names.append("top_account_ratio")
    columns = {n: np.array(draw(st.lists(values, min_size=size, max_size=size))) for n in names}
    if keyed:
        columns["trade_id"] = np.array([float(moment[1]) for moment in moments])
    times = np.array([1000 * moment[0] for moment in moments], dtype=np.int64)
    return make_series(kind, "BTCUSDT", None, times, columns)


@pytest.mark.parametrize("kind", ["ratios", "trades"])
@given(data=st.data())
def test_putting_the_differing_stretch_in_its_place_gives_the_merged_rows(
    kind: str, data: st.DataObject
) -> None:
    stored = data.draw(rows(kind))
    merged, change = merge(stored, data.draw(rows(kind)))
    there, wanted = differing(stored, merged)
    assert len(wanted) - len(there) == change.added
    if not change.rows:
        return
    kept = np.ones(len(stored), dtype=bool)
    if len(there):
        first, last = there.event_time[0], there.event_time[-1]
        kept = (stored.event_time < first) | (stored.event_time > last)
        assert int((~kept).sum()) == len(there), "a range of times holds the stretch and no more"
    times = np.concatenate([stored.event_time[kept], wanted.event_time])
    order = np.argsort(times, kind="stable")
    assert times[order].tolist() == merged.event_time.tolist()
    for name, column in merged.columns.items():
        before = stored.columns.get(name, np.full(len(stored), np.nan))[kept]
        found = np.concatenate([before, wanted.columns.get(name, np.full(len(wanted), np.nan))])
        assert np.array_equal(found[order], column, equal_nan=True)
