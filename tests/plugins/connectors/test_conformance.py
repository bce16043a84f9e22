"""All connectors pass one suite."""

import pytest

from foretell.core.connectors import Connector, Target
from foretell.testing.conformance import check_connector

READ = ("postgresql", "mysql", "sqlite", "mongodb")


@pytest.mark.parametrize("target", READ, indirect=True)
async def test_a_built_in_connector_conforms(connector: Connector, target: Target):
    await check_connector(connector, target, "people")


@pytest.mark.parametrize("target", ["redis"], indirect=True)
async def test_redis_takes_rows(connector: Connector, target: Target):
    await check_connector(connector, target, "people", reads=False)
