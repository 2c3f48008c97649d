"""Fixtures of the tests of brokers: one server for all, and a stream for each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from nats_cluster import NatsCluster

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Return one server that all tests of a worker share."""
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
def name() -> str:
    """Return the name of a stream that no other test uses."""
    return f"test-{next(NUMBERS)}"


@pytest.fixture
def url(server: NatsCluster, name: str) -> str:
    """Return the address of a stream that no other test uses."""
    return server.url(name)
