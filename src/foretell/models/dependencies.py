"""Builds what models routes ask for."""

from typing import Annotated

from fastapi import Depends, Path

from foretell.auth.dependencies import AuthServices
from foretell.http.dependencies import Session, State
from foretell.http.schemas import Name
from foretell.models.composing import models_service
from foretell.models.importing import ModelImporter
from foretell.models.service import ModelsService


async def get_models(
    state: State, session: Session, auth: AuthServices
) -> ModelsService:
    """The models service in the request's unit of work."""
    return models_service(state, session, auth.audit, auth.accounts.resolve_people)


async def get_importer(state: State) -> ModelImporter:
    return state.port(ModelImporter)


Models = Annotated[ModelsService, Depends(get_models)]
Importer = Annotated[ModelImporter, Depends(get_importer)]
ModelName = Annotated[Name, Path(description="The model's name.")]
VersionRef = Annotated[
    str, Path(max_length=63, description="A number, an alias or `latest`.")
]
