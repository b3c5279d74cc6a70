"""The rows of the capability table, one venue a file.

A row's calls are what the tests hand to the real client, and ``carries`` is what they then find in the request.
"""

from tidemill.adapters._venues.binance import BINANCE, PAPER
from tidemill.adapters._venues.bitget import BITGET
from tidemill.adapters._venues.bybit import BYBIT
from tidemill.adapters._venues.coinbase import COINBASE
from tidemill.adapters._venues.gate import GATE
from tidemill.adapters._venues.kraken import KRAKEN
from tidemill.adapters._venues.kucoin import KUCOIN
from tidemill.adapters._venues.mexc import MEXC
from tidemill.adapters._venues.okx import OKX

__all__ = ["ROWS"]

ROWS = (PAPER, BINANCE, BYBIT, OKX, KRAKEN, COINBASE, KUCOIN, GATE, BITGET, MEXC)
