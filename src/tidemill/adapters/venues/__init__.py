"""The rows of the capability table, one venue a file.

A row's calls are what the tests hand to the real client, and ``carries`` is what they then find in the request.
"""

from tidemill.adapters.venues.binance import BINANCE, PAPER
from tidemill.adapters.venues.bitget import BITGET
from tidemill.adapters.venues.bybit import BYBIT
from tidemill.adapters.venues.coinbase import COINBASE
from tidemill.adapters.venues.gate import GATE
from tidemill.adapters.venues.kraken import KRAKEN
from tidemill.adapters.venues.kucoin import KUCOIN
from tidemill.adapters.venues.mexc import MEXC
from tidemill.adapters.venues.okx import OKX

__all__ = ["ROWS"]

ROWS = (PAPER, BINANCE, BYBIT, OKX, KRAKEN, COINBASE, KUCOIN, GATE, BITGET, MEXC)
