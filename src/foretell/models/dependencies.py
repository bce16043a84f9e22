"""Builds what models routes ask for."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Path

from foretell.auth.dependencies import AuthServices
from foretell.core.principal import Principal
from foretell.http.dependencies import Session, State
from foretell.http.schemas import Name
from foretell.models.composing import models_service
from foretell.models.features import FeatureBinder
from foretell.models.importing import ModelImporter
from foretell.models.service import ModelsService


async def get_models(
    state: State, session: Session, auth: AuthServices
) -> ModelsService:
    """The models service in the request's unit of work."""
    return models_service(state, session, auth.audit, auth.accounts.resolve_people)


async def get_importer(state: State) -> ModelImporter:
    return state.port(ModelImporter)


Bound = Callable[[Principal, str], Awaitable[dict[str, Any]]]


async def get_binding(state: State, session: Session) -> Bound:
    """Finds a feature set that the caller may see, by name."""
    return partial(state.port(FeatureBinder).bind, state, session)


Binding = Annotated[Bound, Depends(get_binding)]
Models = Annotated[ModelsService, Depends(get_models)]
Importer = Annotated[ModelImporter, Depends(get_importer)]
ModelName = Annotated[Name, Path(description="The model's name.")]
VersionRef = Annotated[
    str, Path(max_length=63, description="A number, an alias or `latest`.")
]
