"""A live figure in a real JupyterLab and Chromium, beside its peers: `python -m bench.browser`."""
