"""The dashboard and its controls, of ipywidgets."""
