"""Who listens to what: market streams by name, user data streams by key; and what is told to them.

Every change has one order: written to the journal first, then answered and told. What a slow or absent listener misses
is gone, as on an exchange; there is no replay of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tidemill.venue.events import AccountEvents, Event, build_events
from tidemill.venue.live_feed import Follower
from tidemill.venue.market_streams import MarketStreams
from tidemill.venue.sockets import Socket
from tidemill.venue.state import VenueState


@dataclass(slots=True, eq=False)
class Listener:
    """One connection to the market streams.

    ``streams`` are the names it listens to, in the order of subscription; ``combined`` wraps events with the name of
    their stream.
    """

    socket: Socket
    combined: bool
    streams: dict[str, None] = field(default_factory=dict)

    def publish(self, stream: str, data: object) -> None:
        """Send one event, wrapped when the connection is combined.

        Returns at once: the socket queues it, and is cut off when its queue is full.
        """
        self.socket.send({"stream": stream, "data": data} if self.combined else data)


class Hub:
    """All connections of one venue; used from the venue's loop only.

    ``streams`` makes events of the market, ``follower`` reads prices without blocking the loop.
    """

    def __init__(self, state: VenueState, streams: MarketStreams, follower: Follower) -> None:
        self._state = state
        self._follower = follower
        self._streams = streams
        self._listeners: dict[Listener, None] = {}
        self._subscribers: dict[str, dict[tuple[Socket, int], None]] = {}
        self._told_until = state.now

    def join(self, listener: Listener) -> None:
        """Add a connection to the market streams."""
        self._listeners[listener] = None

    def leave(self, listener: Listener) -> None:
        """Forget a connection to the market streams.

        A connection that was never added changes nothing.
        """
        self._listeners.pop(listener, None)

    def subscribe(self, key: str, socket: Socket, number: int) -> None:
        """Tell an account's events to a connection.

        ``number`` is the subscription that its events carry; one connection may subscribe to several accounts.
        """
        self._subscribers.setdefault(key, {})[socket, number] = None

    def hears(self, key: str, socket: Socket) -> bool:
        """Whether a connection is told an account's events."""
        return any(subscriber is socket for subscriber, _ in self._subscribers.get(key, ()))

    def unsubscribe(self, socket: Socket, number: int | None = None) -> bool:
        """Tell no more to a connection: one subscription of it, or all. Whether there was one.

        ``number`` None ends all subscriptions of the connection. Unknown ones change nothing.
        """
        removed = False
        for subscribers in self._subscribers.values():
            for subscription in [
                subscription
                for subscription in subscribers
                if subscription[0] is socket and number in {None, subscription[1]}
            ]:
                del subscribers[subscription]
                removed = True
        return removed

    async def settle(self) -> None:
        """Wait until every change so far is on disk, then tell its events.

        Call it after every change and before its answer leaves. ConfigurationError when the disk refuses; events then
        stay in the outbox, and are never sent.
        """
        state = self._state
        await state.journal.settled()
        while state.outbox and state.outbox[0].written <= state.journal.written:
            self._tell_account(state.outbox.popleft())

    async def publish_market(self) -> None:
        """Tell what the market did since the last time.

        Every stream that anybody listens to is built once, for all its listeners. Nothing is sent when the clock has
        not moved.
        """
        # Moved before the streams are read: a second call meanwhile must not tell the same time again.
        since, self._told_until = self._told_until, self._state.now
        until = self._told_until
        streams = dict.fromkeys(name for listener in self._listeners for name in listener.streams)
        # Without listeners no event is built: a replay of months has none for most of its way.
        if until <= since or not streams:
            return

        def tell() -> list[tuple[str, list[Any]]]:
            return [(name, list(self._streams.events(name, since, until))) for name in streams]

        for name, events in await self._follower.read(tell):
            self._publish(name, events)

    def _publish(self, name: str, events: list[Any]) -> None:
        fault = self._state.faults.take_stream(name)
        struck = fault.name if fault else ""
        for listener in list(self._listeners):
            if name in listener.streams:
                for event in _with_fault(events, struck):
                    listener.publish(name, event)
                if struck.startswith("disconnect"):
                    listener.socket.cut_when_sent()

    def _tell_account(self, account_events: AccountEvents) -> None:
        subscribers = self._subscribers.get(account_events.account)
        # An account nobody listens to must use up no stream fault either.
        if not subscribers:
            return
        state, wall = self._state, self._state.wall()
        events = build_events(
            account_events, state.prices.instruments, state.exchange.balances(account_events.account), wall
        )
        fault = state.faults.take_stream(account_events.reports[0].order.client_order_id)
        for socket, number in list(subscribers):
            _send(socket, number, events, fault.name if fault else "")


def _send(socket: Socket, number: int, events: list[Event], fault: str) -> None:
    """Send a group of events as the stream's fault lets it."""
    for event in _with_fault(events, fault):
        socket.send({"subscriptionId": number, "event": event})
    if fault.startswith("disconnect"):
        socket.cut_when_sent()


def _with_fault(events: list[Any], fault: str) -> list[Any]:
    """What a fault leaves of the events of one change."""
    if fault in {"lost_events", "disconnect"}:
        return []
    if fault == "disconnect_mid_fill":
        # Cut after a fill and before the balances: a client must not wait for the second half.
        first = next((at for at, event in enumerate(events) if event.get("x") == "TRADE"), 0)
        return events[: first + 1]
    if fault == "reorder_events":
        return events[::-1]
    return [event for event in events for _ in range(2 if fault == "duplicate_events" else 1)]
