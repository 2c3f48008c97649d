"""The projector: the panel of a tap as a page of its own, without a notebook."""
