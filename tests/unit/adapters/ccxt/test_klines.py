"""Klines read in one pass over their text: the same numbers as Python's own parser, bit for bit, or an error."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidemill.adapters import compiled_io
from tidemill.adapters.ccxt._klines import SMALL, parse_klines, parse_large, parse_small

digits = st.text("0123456789", min_size=1, max_size=20)
plain = st.builds(lambda whole, part: f"{whole}.{part}" if part else whole, digits, st.text("0123456789", max_size=25))
floats = st.floats(min_value=0, allow_nan=False, allow_infinity=False).map(repr)
number = st.one_of(plain, floats, st.just("-37.63"), st.just("1E-8"))
quoted = st.booleans().flatmap(lambda yes: number.map(lambda text: f'"{text}"') if yes else floats)
row = st.builds(
    lambda opened, values, rest: f"[{opened},{','.join(values)}{rest}]",
    st.integers(0, 2**52),
    st.lists(quoted, min_size=5, max_size=5),
    st.sampled_from(["", ',1700000059999,"12.5",7,"0","0","0"', ', "x" , null']),
)


# nineteen digits that do not fit into 63 bits, and twenty that wrap round to a small number
@example(
    ['[0,"0.9230000000000000000","0.9223372036854775808","18446744073709551617","9.9999999999999999999","1"]'], ","
)
@given(st.lists(row, max_size=30), st.sampled_from([",", ", ", ",\n"]))
def test_both_ways_give_the_nearest_double_of_every_number(rows: list[str], between: str) -> None:
    text = f"[{between.join(rows)}]"
    small, large = parse_small(text), parse_large(text)
    assert small[0].tolist() == large[0].tolist()
    assert small[1].tobytes() == large[1].tobytes()


GOOD = '[1,"2","3","1","2","5",9]'
BROKEN = (
    "",
    "[",
    "{}",
    f"[{GOOD}",
    f"[{GOOD},[1,2",
    '[[1,"2","3","1","2"]]',
    '[[1.5,"2","3","1","2","5"]]',
    '[["1x","2","3","1","2","5"]]',
    '[[1,"2","3","1","2","five"]]',
    '[[1,"2","3",null,"2","5"]]',
    "[[]]",
)


@pytest.mark.parametrize("text", BROKEN)
def test_anything_else_is_refused_by_the_fast_way(text: str) -> None:
    with pytest.raises(ValueError):
        parse_large(text)


def test_a_page_takes_the_way_of_its_size() -> None:
    page = json.dumps([[1_700_000_000_000 + index, "1.1", "2.2", "0.1", "1.5", "7"] for index in range(1000)])
    assert len(page) > SMALL
    opens, values = parse_klines(page)
    assert opens[-1] == 1_700_000_000_999
    assert values[0].tolist() == [1.1, 2.2, 0.1, 1.5, 7.0]
    assert parse_klines("[]")[1].shape == (0, 5)
    assert values.dtype == np.float64


def test_with_compiled_code_switched_off_a_large_page_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    page = json.dumps([[1_700_000_000_000 + index, "1.1", "2.2", "0.1", "1.5", "7"] for index in range(1000)])
    compiled = parse_klines(page)
    monkeypatch.setenv(compiled_io.VARIABLE, "off")
    plain = parse_klines(page)
    assert plain[0].tolist() == compiled[0].tolist()
    assert plain[1].tobytes() == compiled[1].tobytes()
    assert not compiled_io.is_on()
