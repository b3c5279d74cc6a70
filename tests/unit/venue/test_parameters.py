"""Parameters as they come over the wire: what is taken, what is refused with which code, and who may sign."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.market import EPOCH
from tidemill.venue.errors import VenueError
from tidemill.venue.parameters import AHEAD_MS, DEFAULT_WINDOW_MS, Parameters, to_millis

SECRET = "secret"
NOW = datetime(2021, 4, 19, 3, 1, 30, tzinfo=UTC)


def sent(**values: str) -> Parameters:
    return Parameters.parse(urlencode(values), "")


def code_of(action: object) -> int:
    """The code that a refusal carries; 0 for what is taken."""
    try:
        action()  # type: ignore[operator]
    except VenueError as error:
        return error.code
    return 0


@given(st.dictionaries(st.sampled_from("abcdef"), st.text("xyz123", min_size=1, max_size=5), max_size=6))
def test_it_does_not_matter_whether_a_parameter_comes_in_the_query_or_in_the_body(values: dict[str, str]) -> None:
    text = urlencode(values)
    assert Parameters.parse(text, "").values == Parameters.parse("", text).values == values


def test_a_parameter_in_both_is_that_of_the_query() -> None:
    assert Parameters.parse("a=1", "a=2&b=3").values == {"a": "1", "b": "3"}


@pytest.mark.parametrize(("query", "body"), [("a=1&a=2", ""), ("", "a=1&a=2"), ("a=1&a=1", "b=2")])
def test_a_parameter_that_comes_twice_in_one_place_is_refused(query: str, body: str) -> None:
    assert code_of(lambda: Parameters.parse(query, body)) == -1101


@pytest.mark.parametrize("read", ["text", "integer", "moment", "decimal", "client_id"])
def test_an_optional_parameter_is_absent_or_has_a_value(read: str) -> None:
    assert getattr(sent(), read)("x") is None
    assert code_of(lambda: getattr(sent(x=""), read)("x")) == -1105


@pytest.mark.parametrize("values", [{}, {"symbol": ""}])
def test_a_mandatory_parameter_that_is_absent_or_empty_is_named(values: dict[str, str]) -> None:
    with pytest.raises(VenueError) as refusal:
        sent(**values).symbol()
    assert refusal.value.code == -1102
    assert "'symbol'" in refusal.value.message


@pytest.mark.parametrize("symbol", ["btcusdt", "BTC/USDT", "BTC USDT", "B" * 21, "ÄBC"])
def test_a_symbol_is_in_capitals_or_refused(symbol: str) -> None:
    assert code_of(sent(symbol=symbol).symbol) == -1100
    assert sent(symbol="BTCUSDT").symbol() == "BTCUSDT"


@given(st.integers(0, 10**15 - 1))
def test_a_whole_number_is_read_as_it_is_written(number: int) -> None:
    assert sent(x=str(number)).integer("x") == number
    assert sent(x=str(number)).moment("x") == number


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "1e3", "0x10", " 1", "1_000", "1" * 19, "٣"])
def test_what_is_no_plain_whole_number_is_refused(text: str) -> None:
    assert code_of(lambda: sent(x=text).integer("x")) == -1100


@given(st.datetimes(datetime(2002, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_time_in_microseconds_means_its_millisecond(moment: datetime) -> None:
    millis = to_millis(moment)
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    assert sent(x=str(micros)).moment("x") == micros // 1000
    assert abs(millis - micros // 1000) <= 1


@given(st.decimals(0, 10**9, places=8))
def test_a_decimal_number_is_read_to_the_last_digit(value: Decimal) -> None:
    assert sent(x=f"{value:f}").decimal("x") == value
    assert sent(x=f"{value:f}0000").decimal("x") == value


@pytest.mark.parametrize("text", ["-1", "+1", ".5", "5.", "1e3", "NaN", "Infinity", "1,5", "1" * 21])
def test_what_is_no_plain_decimal_number_is_refused(text: str) -> None:
    assert code_of(lambda: sent(x=text).decimal("x")) == -1100


def test_a_ninth_decimal_is_too_precise() -> None:
    assert code_of(lambda: sent(x="0.123456789").decimal("x")) == -1111
    assert sent(x="0.123456780").decimal("x") == Decimal("0.12345678")


@pytest.mark.parametrize("text", ["a" * 37, "with space", "dot.ted", "ü"])
def test_an_id_of_the_client_is_plain_and_short(text: str) -> None:
    assert code_of(lambda: sent(x=text).client_id("x")) == -1100
    assert sent(x="a" * 36).client_id("x") == "a" * 36


def window(age_ms: int, **values: str) -> int:
    """The code for a request that was signed ``age_ms`` before it arrives."""
    return code_of(lambda: sent(timestamp=str(to_millis(NOW) - age_ms), **values).check_window(NOW))


@pytest.mark.parametrize(
    ("age_ms", "code"),
    [(0, 0), (DEFAULT_WINDOW_MS, 0), (DEFAULT_WINDOW_MS + 1, -1021), (-AHEAD_MS, 0), (-AHEAD_MS - 1, -1021)],
)
def test_a_request_is_taken_inside_its_window_and_at_its_edges(age_ms: int, code: int) -> None:
    assert window(age_ms) == code


@given(st.integers(1, 60_000), st.integers(0, 70_000))
def test_the_sender_says_how_long_a_request_is_good_for(length: int, age_ms: int) -> None:
    assert window(age_ms, recvWindow=str(length)) == (-1021 if age_ms > length else 0)


@pytest.mark.parametrize(
    ("text", "code"), [("60001", -1131), ("-1", -1100), ("5.1234", -1100), ("5.125", 0), ("", -1105)]
)
def test_a_window_is_a_number_up_to_a_minute(text: str, code: int) -> None:
    assert window(0, recvWindow=text) == code


def test_a_request_without_a_time_is_refused() -> None:
    assert code_of(lambda: sent().check_window(NOW)) == -1102


def signed(text: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


@given(st.dictionaries(st.sampled_from("abcdef"), st.text("xyz123", min_size=1, max_size=5), min_size=1, max_size=6))
def test_a_signature_covers_the_text_as_it_was_sent(values: dict[str, str]) -> None:
    text = urlencode(values)
    for query, body in ((f"{text}&signature={signed(text)}", ""), ("", f"{text}&signature={signed(text)}")):
        request = Parameters.parse(query, body)
        request.check_signature(SECRET)
        assert code_of(partial(request.check_signature, "other")) == -1022
    # the control: another value under the same signature
    forged = f"{text}9&signature={signed(text)}"
    assert code_of(lambda: Parameters.parse(forged, "").check_signature(SECRET)) == -1022


def test_query_and_body_are_signed_one_after_the_other() -> None:
    Parameters.parse("a=1", f"b=2&signature={signed('a=1b=2')}").check_signature(SECRET)
    assert (
        code_of(lambda: Parameters.parse("a=1", f"b=2&signature={signed('a=1&b=2')}").check_signature(SECRET)) == -1022
    )


@pytest.mark.parametrize(("signature", "code"), [("", -1102), ("0" * 64, -1022), ("ü", -1022)])
def test_without_a_right_signature_nobody_is_believed(signature: str, code: int) -> None:
    assert code_of(lambda: sent(a="1", signature=signature).check_signature(SECRET)) == code
