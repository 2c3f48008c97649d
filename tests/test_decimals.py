"""Decimals: each instrument's values have the decimals of its tick size, in Python and in pages."""

from __future__ import annotations

import json
import math
import random
import subprocess
from importlib import resources

import numpy as np
import pytest

from tickerkit.decimals import Decimals, format_decimals


def count(*values: float, minimum: int = 2) -> int:
    """Return the decimals of an instrument with these values."""
    decimals = Decimals(minimum)
    decimals.add(np.array(values))
    return decimals.count


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([], 2),
        ([187.25, 187.3], 2),
        ([187.255], 3),
        ([65_432.1, 65_432.12], 2),
        ([1.11, 1.1095], 4),
        ([(1.1095 + 1.1096) / 2], 5),
        ([0.1 + 0.2], 2),
        ([0.0000123, 0.00001], 7),
        ([-0.0125, 3.5], 4),
        ([5e9, 123_456_789_012.0], 2),
        ([0, math.nan, math.inf, -math.inf, 1e-300], 2),
        ([1e-12], 12),
    ],
    ids=str,
)
def test_quoted_values_have_the_decimals_of_the_tick_size(
    values: list[float], decimals: int
) -> None:
    """A share, a coin, a pair of currencies: the decimals follow from the values."""
    assert count(*values) == decimals


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([187.253333333], 2),
        ([21.538472913, 0.0012345678901], 3),
        ([1.1 / 3], 5),
        ([1.1 / 3, 12.5], 3),
        ([1.1 / 3, 0.123456], 6),
        ([65_432.1 / 3], 2),
        ([1e-5 / 3], 10),
        ([187.253333333, 187.123456], 2),
        ([123.456789, 155.125], 6),
    ],
    ids=str,
)
def test_computed_values_have_five_significant_digits(values: list[float], decimals: int) -> None:
    """The digits count from the largest value, unless short quoted values need more."""
    assert count(*values) == decimals


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([], 0),
        ([72, 75], 0),
        ([21.5, 22], 1),
        ([1_013.25], 2),
        ([21.518273645], 3),
        ([123_456_789.123456], 0),
    ],
    ids=str,
)
def test_values_of_a_sensor_may_be_whole(values: list[float], decimals: int) -> None:
    """With a minimum of 0, values have no more decimals than they need."""
    assert count(*values, minimum=0) == decimals


def test_many_computed_values_keep_their_decimals() -> None:
    """A value that looks quoted by chance changes nothing."""
    walk = 100 + np.cumsum(np.random.default_rng(5).normal(0, 0.02, 2_000_000))
    decimals = Decimals()
    for part in np.split(walk, 100):
        decimals.add(part)
        assert decimals.count == 2


def test_order_of_the_values_does_not_matter() -> None:
    """One by one, in batches, forward or backward: the decimals are the same."""
    rng = random.Random(5)
    values = [rng.uniform(-9, 9) * 10 ** rng.randint(-6, 6) for _ in range(20)]
    values += [round(rng.uniform(0, 300), rng.randint(0, 5)) for _ in range(20)]
    one_by_one = Decimals()
    for value in reversed(values):
        one_by_one.add(np.array([value]))
    assert one_by_one.count == count(*values) == count(*values[::-1])


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "text"),
    [
        (187.3, 2, False, "187.30"),
        (65_432.1, 2, False, "65,432.10"),
        (1_234_567, 0, False, "1,234,567"),
        (0.0000123, 7, False, "0.0000123"),
        (-3.5, 2, False, "−3.50"),
        (-0.001, 2, False, "0.00"),
        (0.1494, 2, True, "+0.15"),
        (-0.1494, 2, True, "−0.15"),
        (-0.001, 2, True, "−0.00"),
        (0, 2, True, "+0.00"),
        (0.125, 2, False, "0.13"),
        (1.005, 2, False, "1.00"),
        (math.nan, 2, True, "–"),
    ],
)
def test_value_is_formatted_as_plotly_does(
    value: float, decimals: int, sign: bool, text: str
) -> None:
    """Thousands have commas, a minus is no hyphen, and a sign is shown where it is asked for."""
    assert format_decimals(value, decimals, sign=sign) == text


def test_pages_have_the_same_rule(node: str) -> None:
    """Python and JavaScript agree on the decimals of many instruments, and on each text."""
    rng = random.Random(6)
    instruments = []
    for _ in range(2000):
        size = 10 ** rng.uniform(-9, 9)
        places = rng.randint(0, 10)
        instruments.append(
            [
                rng.uniform(-size, size) if rng.random() < 0.2 else round(rng.random(), places)
                for _ in range(rng.randint(1, 5))
            ]
        )
    instruments += [[10.0**n, 0.125 * 10.0**n, 1 / 3] for n in range(-12, 13)]
    module = (resources.files("tickerkit.server.page") / "decimals.js").read_text("utf-8")
    script = f"""{module}
        let input = "";
        for await (const part of process.stdin) input += part;
        console.log(JSON.stringify(JSON.parse(input).map((values) => {{
            const decimals = new Decimals(), sensor = new Decimals(0);
            for (const value of values) decimals.add(value), sensor.add(value);
            const text = (value) => formatDecimals(value, decimals.count, value > 0.5);
            return [decimals.count, sensor.count, ...values.map(text)];
        }})))"""
    printed = subprocess.run(
        [node, "--input-type=module", "--eval", script],
        input=json.dumps(instruments),
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    ).stdout
    expected = []
    for values in instruments:
        decimals = count(*values)
        texts = [format_decimals(value, decimals, sign=value > 0.5) for value in values]
        expected.append([decimals, count(*values, minimum=0), *texts])
    assert json.loads(printed) == expected
