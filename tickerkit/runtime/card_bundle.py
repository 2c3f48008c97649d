"""Card bundle: what a notebook shows of a server or a feed: a card that follows its state."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tickerkit.runtime.hosts import shows_widgets

if TYPE_CHECKING:
    from tickerkit.runtime.live_card import LiveCard

__all__ = ["make_card_bundle"]
_cards: weakref.WeakKeyDictionary[Any, LiveCard] = weakref.WeakKeyDictionary()


def make_card_bundle(
    shown: Any, render: Callable[[], str], is_final: Callable[[], bool]
) -> dict[str, Any]:
    """Return the representations of an object: a live card where the notebook shows widgets.

    All cells that show the object share one card. Elsewhere its `_repr_html_` is shown, as it is at
    this moment.

    Args:
        shown: the object.
        render: its method that returns the card's HTML without waiting.
        is_final: its method that returns whether the card will change no more.
    """
    bundle: dict[str, Any] = {"text/plain": repr(shown), "text/html": shown._repr_html_()}
    if shows_widgets():
        from tickerkit.runtime.live_card import LiveCard

        card = _cards.get(shown)
        if card is None or card.comm is None:
            card = _cards[shown] = LiveCard(render, is_final)
        bundle["text/html"] = card.wrap(bundle["text/html"])
    return bundle
