"""Plain readers of recorded frames, written by hand; they share no code with field maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from venue_rows import tick

Rows = Iterator[Mapping[str, Any]]
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def iso_ns(text: str) -> int:
    """Return the epoch ns of a time such as 2026-08-09T21:05:48.228568804Z."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    whole = datetime.fromisoformat(seconds + "+00:00") - EPOCH
    return (whole.days * 86400 + whole.seconds) * 10**9 + int(fraction.ljust(9, "0"))


def read_binance(frames: Iterator[Any], *, quote_time: bool) -> Rows:
    """Yield trades and best quotes of Binance."""
    for frame in frames:
        stream, data = frame["stream"], frame["data"]
        if stream.endswith("@trade"):
            yield tick(
                data["s"],
                data["T"] * 10**6,
                price=float(data["p"]),
                size=float(data["q"]),
                side="sell" if data["m"] else "buy",
                trade_id=data["t"],
                trade_type=data.get("X"),
            )
        elif stream.endswith("@bookTicker"):
            yield tick(
                data["s"],
                data["T"] * 10**6 if quote_time else None,
                bid=float(data["b"]),
                bid_size=float(data["B"]),
                ask=float(data["a"]),
                ask_size=float(data["A"]),
            )


def read_binance_spot(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Binance spot."""
    return read_binance(frames, quote_time=False)


def read_binance_usdm(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Binance USD-M futures."""
    return read_binance(frames, quote_time=True)


def read_binance_aggregates(frames: Iterator[Any]) -> Rows:
    """Yield Binance's aggregate trades: what one order traded at one price, as one trade."""
    for frame in frames:
        data = frame["data"]
        if data.get("e") == "aggTrade":
            yield tick(
                data["s"],
                data["T"] * 10**6,
                price=float(data["p"]),
                size=float(data["q"]),
                side="sell" if data["m"] else "buy",
                trade_id=data["a"],
            )


def read_binance_usdm_aggregates(frames: Iterator[Any]) -> Rows:
    """Yield aggregate trades and quotes of Binance USD-M futures."""
    for frame in frames:
        yield from read_binance_aggregates(iter([frame]))
        yield from read_binance_usdm(iter([frame]))


def read_coinbase(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Coinbase Exchange, whose sides are the maker's."""
    for frame in frames:
        if frame["type"] in ("match", "last_match"):
            yield tick(
                frame["product_id"],
                iso_ns(frame["time"]),
                price=float(frame["price"]),
                size=float(frame["size"]),
                side={"buy": "sell", "sell": "buy"}[frame["side"]],
                trade_id=frame["trade_id"],
                origin="snapshot" if frame["type"] == "last_match" else "live",
            )
        elif frame["type"] == "ticker":
            yield tick(
                frame["product_id"],
                iso_ns(frame["time"]),
                bid=float(frame["best_bid"]),
                ask=float(frame["best_ask"]),
            )


def read_coinbase_trades(frames: Iterator[Any]) -> Rows:
    """Yield trades of Coinbase Exchange."""
    return (row for row in read_coinbase(frames) if "price" in row)


def read_coinbase_ticker(frames: Iterator[Any]) -> Rows:
    """Yield quotes of Coinbase Exchange's ticker, which are those of a trade."""
    return (row for row in read_coinbase(frames) if "price" not in row)


def read_coinbase_advanced(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Coinbase Advanced: the maker's sides, newest first."""
    for frame in frames:
        for event in frame["events"]:
            if frame["channel"] == "market_trades":
                for row in reversed(event["trades"]):
                    yield tick(
                        row["product_id"],
                        iso_ns(row["time"]),
                        price=float(row["price"]),
                        size=float(row["size"]),
                        side={"BUY": "sell", "SELL": "buy"}[row["side"]],
                        trade_id=int(row["trade_id"]),
                        origin="snapshot" if event["type"] == "snapshot" else "live",
                    )
            elif frame["channel"] == "ticker":
                for row in event["tickers"]:
                    yield tick(
                        row["product_id"],
                        iso_ns(frame["timestamp"]),
                        bid=float(row["best_bid"]),
                        bid_size=float(row["best_bid_quantity"]),
                        ask=float(row["best_ask"]),
                        ask_size=float(row["best_ask_quantity"]),
                    )


def read_bybit(frames: Iterator[Any]) -> Rows:
    """Yield trades of Bybit."""
    for frame in frames:
        if frame.get("topic", "").startswith("publicTrade."):
            for row in frame["data"]:
                yield tick(
                    row["s"],
                    row["T"] * 10**6,
                    price=float(row["p"]),
                    size=float(row["v"]),
                    side=row["S"].lower(),
                )


def read_bybit_ids(frames: Iterator[Any]) -> Rows:
    """Yield trades of Bybit with their ids, which are UUIDs."""
    messages = list(frames)
    trades = [each for each in messages if each.get("topic", "").startswith("publicTrade.")]
    ids = [row["i"] for each in trades for row in each["data"]]
    for row, trade_id in zip(read_bybit(iter(messages)), ids, strict=True):
        yield {**row, "trade_key": trade_id}


def read_bybit_tickers(frames: Iterator[Any]) -> Rows:
    """Yield quotes of Bybit's tickers, of which each message has what has changed."""
    newest: dict[str, dict[str, Any]] = {}
    for frame in frames:
        if frame.get("topic", "").startswith("tickers."):
            symbol = frame["data"]["symbol"]
            known = {} if frame["type"] == "snapshot" else newest.get(symbol, {})
            newest[symbol] = row = {**known, **frame["data"]}
            yield tick(
                symbol,
                frame["ts"] * 10**6,
                bid=float(row["bid1Price"]),
                bid_size=float(row["bid1Size"]),
                ask=float(row["ask1Price"]),
                ask_size=float(row["ask1Size"]),
                origin="snapshot" if frame["type"] == "snapshot" else "live",
            )


def read_okx_trades(frames: Iterator[Any]) -> Rows:
    """Yield trades of OKX."""
    for frame in frames:
        if frame["arg"]["channel"] in ("trades", "trades-all") and "data" in frame:
            for row in frame["data"]:
                yield tick(
                    row["instId"],
                    int(row["ts"]) * 10**6,
                    price=float(row["px"]),
                    size=float(row["sz"]),
                    side=row["side"],
                    trade_id=int(row["tradeId"]),
                )


def read_okx_tickers(frames: Iterator[Any]) -> Rows:
    """Yield quotes of OKX's tickers."""
    for frame in frames:
        if frame["arg"]["channel"] == "tickers" and "data" in frame:
            for row in frame["data"]:
                yield tick(
                    row["instId"],
                    int(row["ts"]) * 10**6,
                    bid=float(row["bidPx"]),
                    bid_size=float(row["bidSz"]),
                    ask=float(row["askPx"]),
                    ask_size=float(row["askSz"]),
                )


def read_bitstamp(frames: Iterator[Any]) -> Rows:
    """Yield trades of Bitstamp."""
    for frame in frames:
        if frame["event"] == "trade":
            data = frame["data"]
            yield tick(
                frame["channel"].split("_")[-1],
                int(data["microtimestamp"]) * 1000,
                price=float(data["price_str"]),
                size=float(data["amount_str"]),
                side=["buy", "sell"][data["type"]],
                trade_id=data["id"],
            )


def read_bitfinex(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Bitfinex, whose messages refer to subscriptions."""
    channels: dict[int, tuple[str, str]] = {}

    def trade(symbol: str, row: list[Any], origin: str | None) -> Mapping[str, Any]:
        number, time_ms, amount, price = row
        side = "buy" if amount > 0 else "sell"
        return tick(
            symbol,
            time_ms * 10**6,
            price=float(price),
            size=abs(float(amount)),
            side=side,
            trade_id=number,
            origin=origin,
        )

    for frame in frames:
        if isinstance(frame, dict):
            if frame["event"] == "subscribed":
                channels[frame["chanId"]] = frame["channel"], frame["symbol"]
            continue
        channel, symbol = channels.get(frame[0], ("", ""))
        if channel == "trades":
            if frame[1] == "te":
                yield trade(symbol, frame[2], None)
            elif isinstance(frame[1], list):
                for row in sorted(frame[1]):
                    yield trade(symbol, row, "snapshot")
        elif channel == "ticker" and frame[1] != "hb":
            bid, bid_size, ask, ask_size = map(float, frame[1][:4])
            yield tick(symbol, None, bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)


def read_bitfinex_trades(frames: Iterator[Any]) -> Rows:
    """Yield trades of Bitfinex."""
    return (row for row in read_bitfinex(frames) if "price" in row)


def read_finnhub(frames: Iterator[Any]) -> Rows:
    """Yield trades of Finnhub."""
    for frame in frames:
        for row in frame["data"]:
            yield tick(row["s"], row["t"] * 10**6, price=float(row["p"]), size=float(row["v"]))


def read_kraken_v1(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of Kraken's first interface."""
    for frame in frames:
        if not isinstance(frame, list):
            continue
        _, data, channel, symbol = frame
        if channel == "trade":
            for price, size, time_s, side, _, _ in data:
                yield tick(
                    symbol,
                    int(Decimal(time_s) * 10**9),
                    price=float(price),
                    size=float(size),
                    side={"b": "buy", "s": "sell"}[side],
                )
        elif channel == "ticker":
            yield tick(
                symbol,
                None,
                bid=float(data["b"][0]),
                bid_size=float(data["b"][2]),
                ask=float(data["a"][0]),
                ask_size=float(data["a"][2]),
            )


def read_kraken_v2_books(frames: Iterator[Any]) -> Rows:
    """Yield the best quotes of Kraken's snapshots of books; its updates are not whole books."""
    for frame in frames:
        if frame.get("channel") == "book" and frame["type"] == "snapshot":
            for book in frame["data"]:
                bid, ask = book["bids"][0], book["asks"][0]
                yield tick(
                    book["symbol"],
                    None,
                    bid=float(bid["price"]),
                    bid_size=float(bid["qty"]),
                    ask=float(ask["price"]),
                    ask_size=float(ask["qty"]),
                )


def read_gemini_v2(frames: Iterator[Any]) -> Rows:
    """Yield trades of Gemini's second interface, those from before the subscription too."""
    for frame in frames:
        trades = [frame] if frame["type"] == "trade" else frame.get("trades", [])
        for row in sorted(trades, key=lambda row: (row["timestamp"], row["event_id"])):
            yield tick(
                row["symbol"],
                row["timestamp"] * 10**6,
                price=float(row["price"]),
                size=float(row["quantity"]),
                side=row["side"],
                trade_id=row["event_id"],
                origin=None if frame["type"] == "trade" else "snapshot",
            )


def read_kucoin_classic(frames: Iterator[Any]) -> Rows:
    """Yield trades and quotes of KuCoin's classic interface."""
    for frame in frames:
        topic, _, symbol = frame.get("topic", "").partition(":")
        if topic == "/market/match":
            data = frame["data"]
            yield tick(
                symbol,
                int(data["time"]),
                price=float(data["price"]),
                size=float(data["size"]),
                side=data["side"],
            )
        elif topic == "/market/ticker":
            data = frame["data"]
            yield tick(
                symbol,
                data["time"] * 10**6,
                bid=float(data["bestBid"]),
                bid_size=float(data["bestBidSize"]),
                ask=float(data["bestAsk"]),
                ask_size=float(data["bestAskSize"]),
            )
