"""PresetLines: where in a preset's file an entry is, to name the line that is no longer true."""

from __future__ import annotations

import re

__all__ = ["PresetLines"]

HEADER = re.compile(r"\s*(\[\[?)([\w.]+)\]\]?\s*$")
MAX_LINE = 100


class PresetLines:
    """The lines of a preset's file.

    Args:
        name: the preset.
        text: its file.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        # For each line: its number, its text, the table that it is in, the number of the socket,
        # and the number of the line with the `[[table]]` around it.
        self._lines: list[tuple[int, str, str, int, int]] = []
        table, socket, block = "", -1, 0
        for number, line in enumerate(text.splitlines(), 1):
            if header := HEADER.match(line):
                table = header[2]
                socket += table == "socket"
                block = number if header[1] == "[[" else block
            self._lines.append((number, line.strip(), table, socket, block))

    def find(self, table: str, key: str = "", *, socket: int = 0, channel: str = "") -> str:
        """Return the line of an entry: `kraken.toml, line 24: url = "wss://ws.kraken.com/v2"`.

        Args:
            table: its table, such as "socket.reads.fields".
            key: the entry; empty for the head of the table. The head stands for a missing entry.
            socket: the number of the socket.
            channel: which of several tables of that name: the one of this channel.
        """
        mine = [
            (number, line, block)
            for number, line, name, index, block in self._lines
            if name == table and (index == socket or not table.startswith("socket"))
        ]
        blocks = {
            block
            for _, line, _, _, block in self._lines
            if re.match(rf"channels?\s*=.*\b{re.escape(channel)}\b", line)
        }
        if channel and any(block in blocks for _, _, block in mine):
            mine = [each for each in mine if each[2] in blocks]
        for number, line, _ in mine:
            if key and re.match(rf"{re.escape(key)}\s*=", line):
                return self._format(number, line)
        return self._format(*mine[0][:2]) if mine else f"{self._name}.toml has no [{table}]"

    def _format(self, number: int, line: str) -> str:
        line = line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"
        return f"{self._name}.toml, line {number}: {line}"
