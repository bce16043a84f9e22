"""Builds what feature set routes ask for."""

from typing import Annotated

from fastapi import Depends

from foretell.auth.dependencies import AuthServices
from foretell.features.composing import feature_sets_service
from foretell.features.service import FeatureSetsService
from foretell.http.dependencies import Session, State


async def get_feature_sets(
    state: State, session: Session, auth: AuthServices
) -> FeatureSetsService:
    """The feature sets service in the request's unit of work."""
    return feature_sets_service(
        state, session, people=auth.accounts.resolve_people, audit=auth.audit
    )


FeatureSets = Annotated[FeatureSetsService, Depends(get_feature_sets)]
