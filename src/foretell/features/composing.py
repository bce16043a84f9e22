"""Builds the feature sets service for a unit of work."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from foretell.core.parts import Parts
from foretell.core.principal import Principal
from foretell.features.service import FeatureSetsService, OwnFunctionsOf
from foretell.features.store import FeatureSetStore


def feature_sets_service(
    parts: Parts, session: AsyncSession, **more: Any
) -> FeatureSetsService:
    """The service whose statements run in `session`."""
    return FeatureSetsService(
        FeatureSetStore(session),
        parts.port(OwnFunctionsOf),
        clock=parts.clock,
        cursors=parts.cursors,
        **more,
    )


async def bind(
    parts: Parts, session: Any, principal: Principal, name: str
) -> dict[str, Any]:
    """The latest version of a feature set, as a model version keeps it."""
    definition = await feature_sets_service(parts, session).define(principal, name)
    return {**msgspec.to_builtins(definition), "columns": definition.columns()}
