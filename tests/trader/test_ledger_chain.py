"""The ledger's chain: what was written comes back to the bit, and no edit goes unnoticed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError
from riposte.trader.chain import following, line_hash, read

PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
BODIES = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        PLAIN | FLOATS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=5,
)
WRITTEN = st.lists(st.tuples(st.integers(0, 2**62), st.text(min_size=1), BODIES), max_size=8)


@given(WRITTEN)
def test_what_was_written_comes_back(written: list[tuple[int, str, dict[str, object]]]) -> None:
    entries = list(read(following(None, written)))
    assert [(e.time_ns, e.kind, e.body) for e in entries] == written
    assert [e.number for e in entries] == list(range(1, len(written) + 1))


def chain() -> list[bytes]:
    first = following(None, [(n, "fill", {"price": 0.1 + n}) for n in range(3)])
    return first + following(first[-1], [(n, "fill", {"price": 0.1 + n}) for n in (3, 4)])


@pytest.mark.parametrize("at", range(4))
def test_a_line_that_was_edited_moved_or_taken_out_shows(at: int) -> None:
    edited = [text.replace(b"0.1", b"0.2") if n == at else text for n, text in enumerate(chain())]
    moved = chain()
    moved[at], moved[at + 1] = moved[at + 1], moved[at]
    gone = chain()[:at] + chain()[at + 1 :]
    numbers = (at + 2 if at != 0 else 2, at + 1, at + 1)
    for lines, number in zip((edited, moved, gone), numbers, strict=True):
        if lines == chain():
            continue
        with pytest.raises(DataError, match=f"line {number} does not follow"):
            list(read(lines))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"number": 1}', b"1"])
def test_what_is_no_line_is_said(text: bytes) -> None:
    with pytest.raises(DataError, match="line 1 of the ledger is no entry"):
        list(read([text]))


def test_reading_can_go_on_from_a_line_that_is_known() -> None:
    lines = chain()
    rest = list(read(lines[2:], number=2, before=line_hash(lines[1])))
    assert [entry.number for entry in rest] == [3, 4, 5]
    with pytest.raises(DataError, match="line 3 does not follow"):
        list(read(lines[2:], number=2, before=line_hash(lines[0])))


@pytest.mark.parametrize("value", [math.nan, math.inf, (1, 2), {1: 2}, b"x", object()])
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        following(None, [(0, "fill", {"price": value})])
