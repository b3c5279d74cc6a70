"""What one sender may ask of the paper venue: weight by the minute, orders by ten seconds and by the day."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.venue.errors import VenueError
from tidemill.venue.limits import BAN_SECONDS, REFUSED_BEFORE_BAN, Usage
from tidemill.venue.options import DAY_SECONDS, UNLIMITED, Limits

SMALL = Limits(weight_per_minute=10, orders_per_10_seconds=3, orders_per_day=5)


def refusal(usage: Usage, weight: int, now: float) -> VenueError | None:
    """The error that a request of ``weight`` gets; None when it is served."""
    try:
        usage.weigh(weight, now)
    except VenueError as error:
        return error
    return None


def served(usage: Usage, key: str, now: float) -> bool:
    try:
        usage.count_order(key, now)
    except VenueError:
        return False
    return True


def test_too_many_orders_are_refused_with_the_code_of_the_exchange_and_a_wait() -> None:
    usage = Usage(SMALL)
    for _ in range(3):
        usage.count_order("key", 0.0)
    with pytest.raises(VenueError) as refused:
        usage.count_order("key", 0.0)
    error = refused.value
    assert (error.code, error.http_status, error.headers) == (-1015, 429, {"Retry-After": "10"})
    assert error.message == "Too many new orders; current limit is 3 orders per 10 SECOND."


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 30)), max_size=40))
def test_no_minute_serves_more_weight_than_is_announced(requests: list[tuple[int, float]]) -> None:
    usage, now, weights = Usage(SMALL), 0.0, {}
    for weight, pause in requests:
        now += pause
        if refusal(usage, weight, now) is None:
            weights[int(now // 60)] = weights.get(int(now // 60), 0) + weight
    assert all(weight <= 10 for weight in weights.values())


def test_a_venue_without_limits_would_be_caught() -> None:
    usage = Usage(UNLIMITED)
    assert [refusal(usage, 5, 0.0) for _ in range(3)] == [None] * 3
    assert refusal(Usage(SMALL), 11, 0.0) is not None


def test_a_minute_begins_anew_on_the_clock_not_after_sixty_seconds() -> None:
    usage = Usage(SMALL)
    assert usage.weigh(10, 59.0) == 10
    assert refusal(usage, 1, 59.5) is not None
    assert usage.weigh(4, 60.0) == 4


@pytest.mark.parametrize(("now", "seconds"), [(0.0, "60"), (30.0, "30"), (59.9, "1")])
def test_a_refusal_tells_how_long_to_wait(now: float, seconds: str) -> None:
    usage = Usage(SMALL)
    usage.weigh(10, now)
    error = refusal(usage, 1, now)
    assert error is not None
    assert (error.code, error.http_status, error.headers) == (-1003, 429, {"Retry-After": seconds})
    assert "limit is 10 request weight per 1 MINUTE" in error.body()["msg"]


def test_who_goes_on_is_banned_and_after_the_ban_served_again() -> None:
    usage = Usage(SMALL)
    usage.weigh(10, 0.0)
    codes = {refusal(usage, 1, 1.0).http_status for _ in range(REFUSED_BEFORE_BAN + 1)}
    assert codes == {429}
    banned = refusal(usage, 1, 2.0)
    assert (banned.code, banned.http_status) == (-1003, 418)
    assert banned.headers == {"Retry-After": str(BAN_SECONDS - 1)}
    # a new minute does not end it
    assert refusal(usage, 1, 61.0).http_status == 418
    assert refusal(usage, 1, 1.0 + BAN_SECONDS) is None


def test_who_stops_in_time_is_not_banned() -> None:
    usage = Usage(SMALL)
    usage.weigh(10, 0.0)
    for _ in range(REFUSED_BEFORE_BAN):
        refusal(usage, 1, 1.0)
    assert refusal(usage, 1, 60.0) is None


@given(st.lists(st.floats(0, 20), max_size=40))
def test_no_ten_seconds_and_no_day_take_more_orders_than_announced(pauses: list[float]) -> None:
    usage, now, times = Usage(SMALL), 0.0, []
    for pause in pauses:
        now += pause
        if served(usage, "key", now):
            times.append(now)
    for span, limit in ((10.0, 3), (DAY_SECONDS, 5)):
        assert all(sum(1 for other in times if moment - span < other <= moment) <= limit for moment in times)


def test_there_is_room_again_after_ten_seconds_and_after_a_day() -> None:
    usage = Usage(SMALL)
    moments = (0.0, 0.0, 0.0, 9.9, 10.0, 10.0, 20.0, DAY_SECONDS - 1, DAY_SECONDS)
    assert [served(usage, "key", now) for now in moments] == [True] * 3 + [False] + [True] * 2 + [False] * 2 + [True]


def test_orders_of_one_key_do_not_count_for_another() -> None:
    usage = Usage(SMALL)
    assert [served(usage, "mine", 0.0) for _ in range(4)] == [True, True, True, False]
    assert served(usage, "yours", 0.0)
    assert usage.order_counts("mine") == {"X-MBX-ORDER-COUNT-10S": "3", "X-MBX-ORDER-COUNT-1D": "3"}
    assert usage.order_counts("yours") == {"X-MBX-ORDER-COUNT-10S": "1", "X-MBX-ORDER-COUNT-1D": "1"}
    assert set(usage.order_counts("nobody").values()) == {"0"}


def test_a_refused_order_is_not_counted() -> None:
    usage = Usage(SMALL)
    for _ in range(7):
        served(usage, "key", 0.0)
    assert usage.order_counts("key")["X-MBX-ORDER-COUNT-1D"] == "3"


def test_an_order_that_traded_counts_no_more() -> None:
    usage = Usage(SMALL)
    for _ in range(3):
        served(usage, "key", 0.0)
    usage.forgive_order("key")
    assert [served(usage, "key", 0.0) for _ in range(2)] == [True, False]
    usage.forgive_order("nobody")
    assert [row["count"] for row in usage.order_rows("nobody")] == [0, 0]


def test_the_limits_are_listed_as_they_are_kept() -> None:
    usage = Usage(replace(SMALL, weight_per_minute=77))
    usage.weigh(7, 0.0)
    served(usage, "key", 0.0)
    kinds = [(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in usage.rows()]
    assert kinds == [("REQUEST_WEIGHT", "MINUTE", 1, 77), ("ORDERS", "SECOND", 10, 3), ("ORDERS", "DAY", 1, 5)]
    assert [(row["limit"], row["count"]) for row in usage.order_rows("key")] == [(3, 1), (5, 1)]
    assert [(row["limit"], row["count"]) for row in usage.used_rows()] == [(77, 7)]
