"""StreamLimits: how much a stream keeps, from the text that users write."""

from __future__ import annotations

import pytest

from tickerkit.brokers import StreamAddress, StreamLimits
from tickerkit.brokers.settings import find_misfits, make_settings
from tickerkit.errors import InvalidArgument

ADDRESS = StreamAddress.parse("nats://n1/a")


@pytest.mark.parametrize(
    ("keep", "max_bytes", "max_age_s"),
    [
        (None, 10**9, None),
        ("1GB", 10**9, None),
        ("1.5 gb", 1_500_000_000, None),
        ("24h", None, 86_400),
        ("90s", None, 90),
        ("24h,10GB", 10**10, 86_400),
        ("500MB, 7d", 5 * 10**8, 604_800),
    ],
)
def test_keep_is_a_size_a_time_or_both(
    keep: str | None, max_bytes: int | None, max_age_s: float | None
) -> None:
    """A time alone sets no limit of bytes."""
    assert StreamLimits.parse(keep, 3) == StreamLimits(max_bytes, max_age_s, 3)


@pytest.mark.parametrize(
    "keep", ["", "1", "GB", "1GiB", "24h;1GB", "-1GB", "1kB", "0GB", "0s", "1h,"]
)
def test_other_texts_are_refused(keep: str) -> None:
    """The error says what is accepted."""
    with pytest.raises(InvalidArgument) as caught:
        StreamLimits.parse(keep)
    assert caught.value.argument == "keep"


@pytest.mark.parametrize(
    "limits", [{"max_bytes": 0}, {"max_age_s": 0.5}, {"replicas": 0}, {"replicas": 6}]
)
def test_numbers_out_of_range_are_refused(limits: dict[str, float]) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidArgument) as caught:
        StreamLimits(**limits)  # type: ignore[arg-type]
    assert caught.value.argument in limits


def test_settings_of_a_new_stream_fit() -> None:
    """A maker accepts the stream that it makes; the window for repeats is within its age."""
    settings = make_settings(ADDRESS, StreamLimits(max_age_s=1), 3)
    assert not list(find_misfits(settings, ADDRESS, is_maker=True))
    assert settings["duplicate_window"] <= settings["max_age"]
    assert (settings["num_replicas"], settings["name"]) == (3, "TICKERKIT_a")


def test_sealed_stream_is_for_readers_only() -> None:
    """Each setting is an error for those that it concerns."""
    settings = {**make_settings(ADDRESS, StreamLimits(), 1), "sealed": True}
    assert not list(find_misfits(settings, ADDRESS, is_maker=False))
    assert [each.setting for each in find_misfits(settings, ADDRESS, is_maker=True)] == ["sealed"]
