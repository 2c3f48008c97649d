"""simulate_sensors: plausible readings without prices, which follow from a seed."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest

import tickerkit as tk
from tickerkit.errors import SourceError
from tickerkit.sources.sensors import SimulatedSensors, simulate_sensors
from tickerkit.ticks import Text, read_ticks

HOURS = 3600.0


def table(source: SimulatedSensors, blocks: int = 1) -> pd.DataFrame:
    """Return the first blocks of a source as a frame, `time` in s."""
    parts = []
    for batch in itertools.islice(source.ticks(), blocks):
        symbol = batch.columns["symbol"]
        assert isinstance(symbol, Text)
        numbers = {name: each for name, each in batch.columns.items() if name != "symbol"}
        words = np.array(symbol.words)[symbol.codes]
        parts.append(pd.DataFrame({"symbol": words, "time": batch.time / 1e9, **numbers}))
    return pd.concat(parts, ignore_index=True)


def test_reading_is_a_tick_without_a_price() -> None:
    """It has a symbol and three numbers; a dict of the same is accepted."""
    ticks = table(simulate_sensors(seed=1))
    assert ticks["symbol"].head(2).tolist() == ["kitchen", "garden"]
    assert ticks[["price", "size"]].isna().all(axis=None)
    numbers = ticks[["temperature", "humidity", "battery"]]
    assert numbers.notna().all(axis=None)
    assert read_ticks(numbers.assign(symbol=ticks["symbol"])).refused == 0


def test_seed_decides_the_readings() -> None:
    """The same seed gives the same readings, also of a pickled source; another seed others."""
    source = simulate_sensors("kitchen,garden", seed=5)
    assert table(source, 3).equals(table(simulate_sensors(["kitchen", "garden"], seed=5), 3))
    assert table(source).equals(table(pickle.loads(pickle.dumps(source))))
    assert not table(source).equals(table(simulate_sensors(seed=6)))


def test_readings_are_plausible_for_days() -> None:
    """A freezer stays cold, percentages are within 0 and 100, and neighbours are close."""
    ticks = table(simulate_sensors(["freezer", "an attic"], rate=0.01, seed=2), blocks=4)
    assert ticks["time"].iloc[-1] > 200 * HOURS
    freezer = ticks[ticks["symbol"] == "freezer"]
    assert -20 < freezer["temperature"].mean() < -16
    assert 0.8 < freezer["temperature"].std() < 1.6
    for name in ("humidity", "battery"):
        assert ticks[name].between(0, 100).all()
    assert 15 < ticks[ticks["symbol"] == "an attic"]["temperature"].mean() < 26
    minutes = table(simulate_sensors("kitchen", rate=1, seed=3))
    assert minutes["temperature"].diff().abs().max() < 1.5
    assert minutes["temperature"].head(300).nunique() > 20


def test_values_have_the_decimals_of_a_sensor() -> None:
    """Two for temperatures, one for humidities, none for batteries."""
    ticks = table(simulate_sensors(seed=4))
    for name, decimals in (("temperature", 2), ("humidity", 1), ("battery", 0)):
        assert ticks[name].equals(ticks[name].round(decimals))


@pytest.mark.parametrize("wrong", [{"symbols": ""}, {"rate": 0}, {"seed": -1}])
def test_wrong_argument_is_refused(wrong: dict[str, object]) -> None:
    """The rules are those of `simulate`."""
    with pytest.raises(SourceError):
        simulate_sensors(**wrong)  # type: ignore[arg-type]


def test_served_readings_arrive() -> None:
    """From a source text to a feed's frame."""
    with tk.serve("sensors:fridge,roof", port=0) as server, tk.connect(server.url) as feed:
        latest = feed.wait(2).latest()
        assert latest.index.tolist() == ["fridge", "roof"]
        assert latest.loc["fridge", "temperature"] < latest.loc["roof", "temperature"]
