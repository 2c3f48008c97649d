"""Names: what feeds call the fields of a tick, the likeliest name first.

Names are compared without `_`, `-` and capital letters: `best_bid` and `bestBid` are `bestbid`. A
name of one letter is compared as it is written, since many feeds use both `b` and `B`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tickerkit.fieldmaps.guess.candidates import last_name, squeeze

__all__ = [
    "ASKS",
    "BIDS",
    "IDS",
    "LIKE_TIME",
    "MAKER_FLAGS",
    "MARKET_SYMBOLS",
    "NO_COLUMNS",
    "NO_MEASURE",
    "NO_TIME",
    "OTHER_SYMBOLS",
    "PRICES",
    "SIDES",
    "SIZES",
    "SIZES_OF",
    "TICKERS",
    "TIMES",
    "TRADES",
    "WEAK_PRICES",
    "rank_name",
]

# Names of the symbol: of instruments, and of whatever else may have ticks.
MARKET_SYMBOLS = (
    *("symbol", "sym", "s", "S", "instid", "productid", "pair", "ticker", "market", "code"),
    *("coin", "instrumentname", "instrument", "currencypair", "contract", "asset", "isin"),
)
OTHER_SYMBOLS = (
    *("entityid", "device", "deviceid", "devicename", "sensor", "sensorid", "sensorname"),
    *("station", "stationid", "node", "nodeid", "icao24", "hex", "callsign", "flight"),
    *("vehicle.id", "vehicleid", "metric", "measurement", "n", "friendlyname", "host"),
    *("hostname", "server", "instance", "wiki", "servername", "flynnregion", "region"),
    *("location", "room", "city", "place", "user", "username", "player", "team", "name", "item"),
    *("topic", "src", "source", "label", "channel", "id", "mac", "key", "run", "job", "service"),
    "net",
)
PRICES = (
    *("price", "px", "tradeprice", "lastprice", "lastpx", "last", "lasttradeprice", "ltp"),
    *("fillprice", "dealprice", "executionprice", "pricestr"),
)
# Prices if there is an instrument; else perhaps a pressure.
WEAK_PRICES = ("p", "rate")
SIZES = (
    *("size", "qty", "quantity", "amount", "sz", "tradesize", "tradevolume", "tradeqty"),
    *("lastsize", "lastqty", "lastsz", "amountstr", "s", "q", "v"),
)
BIDS = ("bid", "bestbid", "bidprice", "bestbidprice", "bidpx", "bid1price", "bp", "b")
ASKS = ("ask", "bestask", "askprice", "bestaskprice", "askpx", "ask1price", "offer", "ap", "a")
# After `bid` or `ask`.
SIZES_OF = ("size", "qty", "quantity", "sz", "volume", "amount")
TIMES = (
    *("tradetimestamp", "tradetime", "transacttime", "microtimestamp", "timestampms", "T", "time"),
    *("timestamp", "ts", "datetime", "timefired", "t", "eventtime", "E", "M", "lastupdated"),
    *("lastchanged", "lastseen", "updated", "lastupdate", "lastcontact", "now", "date", "dt"),
)
LIKE_TIME = re.compile(r"time|stamp|date$|updated$|_ts$|^ts_|_at$|At$")
# Times of something other than the row, such as its expiry.
NO_TIME = re.compile(
    r"boot|start|open|create|expir|next|prev|birth|end|close|until|settle|deliver|launch|block|old",
    re.IGNORECASE,
)
SIDES = (
    *("side", "takerside", "S", "s", "askbid", "tks", "aggressor", "aggressorside", "aggr"),
    "direction",
)
# True if the buyer's order waited in the book: the taker sold.
MAKER_FLAGS = ("m", "isbuyermaker", "buyermaker", "isbuyerthemaker")
IDS = (
    *("tradeid", "tid", "execid", "matchid", "eventid", "sequentialid", "id", "ti", "t", "i", "a"),
)
# Numbers that are no measurement: alone they do not make a row.
NO_MEASURE = re.compile(
    r"(^|_)u?id$|[a-z](Id|ID)$"
    r"|(^|[a-z_])(seq|Seq|sequence|Sequence|nonce|checksum|crc|version|status|code)$"
    r"|^(ids|cs|u|U|pu|flags|interval|port)$"
    r"|[a-z]Interval$|(seq|Sequence|sequence|heartbeat)_?(num|counter|Num|Start|End|start|end)|hash"
)
# Kinds of messages.
TRADES = re.compile(r"trades?([^a-z]|$)|match|fill|deal", re.IGNORECASE)
TICKERS = re.compile(r"ticker|quote|bbo|book", re.IGNORECASE)
# Values that repeat another column of a trade or quote, or describe its message.
NO_COLUMNS = ("topic", "stream", "channel", "subject", "event", "type", "side", "size", "time")


def rank_name(path: str, names: Sequence[str]) -> int | None:
    """Return the position of the name of a path in `names`; None if it is not there."""
    name = last_name(path)
    small = squeeze(name)
    for number, wanted in enumerate(names):
        if "." in wanted:
            if path.lower().endswith(wanted):
                return number
        elif wanted == (name if len(name) == 1 else small):
            return number
    return None
