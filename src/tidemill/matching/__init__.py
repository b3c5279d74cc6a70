"""Orders against bars or books: fills, fees, balances. Pure; used by the venue, the backtest and the in-memory broker.

On bars (while an instrument has no book):

1. A marketable order sent at t arrives at t + ``latency`` and fills in the bar that contains that moment: at its open
   up to ``decision_delay`` + ``latency`` after the open, later at its high (buy) or low (sell); moved by ``slippage``,
   half the ``spread`` and, if asked for, ``impact`` times the square root of its share of the bar's volume, and rounded
   to the price step, all against the order. Beyond the limit it does not fill; with impact as much fills as is within.
2. All orders together get at most ``participation`` of a bar's volume, in whole lots.
3. A resting limit meets later bars only, oldest first, and fills at its limit, as maker, when the bar trades
   through it by one step. A stop is reached by a bar that trades through it by one step; from the bar after that
   one on, the order is a limit.
4. No bar of any instrument at t: the venue is down. None of this instrument: its market is closed.

On a book (from ``feed_book`` to ``drop_book``), without slippage or participation:

1. A marketable order walks the levels within its limit, best first: one trade a level, at the level's price, in
   whole lots. What is taken stays taken until the next book is fed.
2. When a book is fed, a resting limit fills as maker at its limit, up to what that book offers strictly beyond it:
   buys before sells (they take from different sides), best price first, then oldest.
3. A stop is reached by the best price on the other side (asks for a buy, bids for a sell), as fed; the order then
   takes what is left of that book within its limit and rests with the remainder. One that is reached already is
   refused on arrival.

On both: the rest of IOC and MARKET expires (a stop order that may not rest expires on arrival), FOK fills all or
nothing, post-only is refused if its price would take, orders never meet one another. A MARKET order may name a
quote quantity. What backs a resting order is locked: base of a sell, limit times rest of a buy, with the fee where
fees are in quote. A fee is rate times what is traded, eight decimals, rounded up, but never more than is received,
nor (a buy with fees in quote) than is locked for it; a third asset pays it when its free balance covers it, else
what is received does. Funding is rate times what is held at the mark, rounded to eight decimals against the holder,
taken from or added to the free quote. All sums are exact as long as they fit Decimal's 28 digits.
"""

from tidemill.matching.book import Book
from tidemill.matching.exchange import Exchange
from tidemill.matching.filters import MAX_OPEN_ORDERS
from tidemill.matching.tape import ListTape
from tidemill.matching.values import FillRules, Refusal, SimOrder, SimTrade, Ticket

__all__ = ["MAX_OPEN_ORDERS", "Book", "Exchange", "FillRules", "ListTape", "Refusal", "SimOrder", "SimTrade", "Ticket"]
