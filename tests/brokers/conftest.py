"""Fixtures of the tests of brokers: the shared server and a stream of it, by their short names."""

from __future__ import annotations

import pytest
from nats_cluster import NatsCluster


@pytest.fixture(scope="session")
def server(nats: NatsCluster) -> NatsCluster:
    """Return one server that all tests of a worker share."""
    return nats


@pytest.fixture
def name(stream_name: str) -> str:
    """Return the name of a stream that no other test uses."""
    return stream_name


@pytest.fixture
def url(stream_url: str) -> str:
    """Return the address of a stream that no other test uses."""
    return stream_url
