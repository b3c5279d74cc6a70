"""Orders against bars: fills, fees, balances. Pure; used by the venue, the backtest and the in-memory broker."""

from tidemill.matching.exchange import Exchange
from tidemill.matching.tape import ListTape
from tidemill.matching.values import FillRules, Refusal, SimOrder, SimTrade, Ticket

__all__ = ["Exchange", "FillRules", "ListTape", "Refusal", "SimOrder", "SimTrade", "Ticket"]
