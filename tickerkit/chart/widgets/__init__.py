"""Widgets: the dashboard and its controls, made of ipywidgets."""
