"""simulate_sensors: a source of made-up temperatures, for examples without prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tickerkit.sources.simulated import MakeColumns, SimulatedSource, name_fraction
from tickerkit.ticks import NS_PER_S, Column, Text

__all__ = ["SimulatedSensors", "simulate_sensors"]

# Mean temperatures in °C of well-known places; others are rooms.
TEMPERATURES = {
    "attic": 26.0,
    "balcony": 11.0,
    "bathroom": 23.0,
    "bedroom": 18.5,
    "cellar": 12.5,
    "freezer": -18.0,
    "fridge": 4.5,
    "garage": 13.0,
    "garden": 9.0,
    "greenhouse": 19.0,
    "kitchen": 21.5,
    "living room": 21.0,
    "office": 22.0,
    "roof": 10.0,
    "server room": 24.5,
}
MIN_ROOM, MAX_ROOM = 17.0, 24.0
# Standard deviations, and the seconds after which a deviation has faded to a third: so a chart of
# five minutes shows a movement, and the values stay near their means for years.
TEMPERATURE_SIGMA, TEMPERATURE_FADE_S = 1.2, 240.0
HUMIDITY_SIGMA, HUMIDITY_FADE_S = 3.0, 600.0
# Warm air of the same water has a lower relative humidity: in % for each °C.
MEAN_HUMIDITY, HUMIDITY_PER_DEGREE = 48.0, -2.5
# A battery lasts for a month, and is then replaced.
BATTERY_S = 30 * 86_400.0


def simulate_sensors(
    symbols: str | Sequence[str] = "kitchen,garden", rate: float = 1.0, seed: int | None = None
) -> SimulatedSensors:
    """Return a source of made-up readings of sensors, endless and paced by the clock.

    Each tick has `symbol`, `temperature` in °C with two decimals, `humidity` in % with one, and
    `battery` in whole %; it has no price. Temperatures wander around a mean that suits the name,
    so that a fridge is colder than a kitchen. The same symbols, rate and seed give the same
    readings on every machine; only `time` differs.

    Args:
        symbols: the names of the sensors, as a list, or as text such as `"kitchen,garden"`.
        rate: readings per second of each sensor, on average, from 1e-5 to 10 million; they come at
            random moments.
        seed: a whole number of at least 0; random by default, and then shown by `repr`.

    Returns:
        The source, to be served.

    Raises:
        SourceError: there are no symbols, one is given twice or is invalid, or the rate or the
            seed is out of range.

    Example:
        >>> feed = tk.live(tk.simulate_sensors(["kitchen", "garden"], seed=1))
    """
    return SimulatedSensors(symbols, rate, seed)


class SimulatedSensors(SimulatedSource):
    """Made-up readings; made by `tk.simulate_sensors`. The arguments are those of the base."""

    units = MappingProxyType({"temperature": "°C", "humidity": "%", "battery": "%"})

    def _begin(self) -> MakeColumns:
        return _Sensors(self.symbols).measure


class _Wander:
    """A deviation from a mean that fades and is renewed (an Ornstein-Uhlenbeck process).

    Args:
        sigma: its standard deviation.
        fade_s: the seconds after which it has faded to 1/e.
    """

    def __init__(self, sigma: float, fade_s: float) -> None:
        self._sigma, self._fade_s = sigma, fade_s
        self._value, self._at_ns = 0.0, 0

    def step(self, at_ns: int, normal: float) -> float:
        """Return the deviation at a time; `normal` is a standard normal number."""
        kept = math.exp(-(at_ns - self._at_ns) / NS_PER_S / self._fade_s)
        self._value = kept * self._value + self._sigma * math.sqrt(1 - kept * kept) * normal
        self._at_ns = at_ns
        return self._value


class _Sensors:
    """The state of the simulated sensors.

    Args:
        symbols: their names.
    """

    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols
        self._means = [_mean_temperature(symbol) for symbol in symbols]
        self._charges = [name_fraction(symbol, "battery") for symbol in symbols]
        self._warmths = [_Wander(TEMPERATURE_SIGMA, TEMPERATURE_FADE_S) for _ in symbols]
        self._damps = [_Wander(HUMIDITY_SIGMA, HUMIDITY_FADE_S) for _ in symbols]

    def measure(
        self,
        random: np.random.Generator,
        codes: npt.NDArray[np.int32],
        _: int,
        times: npt.NDArray[np.int64],
    ) -> dict[str, Column]:
        """Return the columns of one reading at each of these times, shape (ticks,) each.

        Every block draws the same number of random numbers, so that the readings follow from the
        seed alone.
        """
        count = len(times)
        normals = random.standard_normal((2, count))
        temperatures, humidities, batteries = np.empty(count), np.empty(count), np.empty(count)
        for row, (code, at_ns, warm, damp) in enumerate(
            zip(codes.tolist(), times.tolist(), *normals.tolist(), strict=True)
        ):
            warmth = self._warmths[code].step(at_ns, warm)
            humidity = (
                MEAN_HUMIDITY + HUMIDITY_PER_DEGREE * warmth + self._damps[code].step(at_ns, damp)
            )
            used = (self._charges[code] + at_ns / NS_PER_S / BATTERY_S) % 1.0
            temperatures[row] = round(self._means[code] + warmth, 2)
            humidities[row] = round(min(max(humidity, 0.0), 100.0), 1)
            batteries[row] = math.ceil(100 * (1.0 - used))
        return {
            "symbol": Text(codes, self._symbols),
            "price": np.full(count, np.nan),
            "size": np.full(count, np.nan),
            "temperature": temperatures,
            "humidity": humidities,
            "battery": batteries,
        }


def _mean_temperature(symbol: str) -> float:
    known = TEMPERATURES.get(symbol.lower())
    if known is not None:
        return known
    return MIN_ROOM + (MAX_ROOM - MIN_ROOM) * name_fraction(symbol, "temperature")
