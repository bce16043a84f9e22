"""Builds what dataset routes ask for."""

from typing import Annotated

from fastapi import Depends, Query

from foretell.auth.dependencies import AuthServices
from foretell.connections.dependencies import Connections
from foretell.core.pagination import DEFAULT_LIMIT, MAX_ROWS
from foretell.datasets.composing import datasets_parts
from foretell.datasets.figures import Figures
from foretell.datasets.importing import DatasetImporter
from foretell.datasets.imports import RequestDatasets
from foretell.datasets.outside import OutsideDatasets
from foretell.datasets.querying import SqlReaders
from foretell.datasets.reading import DatasetReader
from foretell.datasets.source_preview import SourcePreview
from foretell.datasets.views import Views
from foretell.http.dependencies import Session, State
from foretell.http.schemas import MAX_VERSION
from foretell.jobs.dependencies import Announce, Jobs


async def get_datasets(
    state: State, session: Session, auth: AuthServices, announce: Announce
) -> RequestDatasets:
    """The datasets service in the request's unit of work."""
    return RequestDatasets(
        state.port(DatasetImporter),
        announce,
        people=auth.accounts.resolve_people,
        audit=auth.audit,
        **datasets_parts(state, session),
    )


Datasets = Annotated[RequestDatasets, Depends(get_datasets)]


async def get_outside(
    datasets: Datasets, connections: Connections, jobs: Jobs
) -> OutsideDatasets:
    """Imports and exports by connections, in the request's unit of work."""
    return OutsideDatasets(datasets, connections, jobs)


async def get_preview(state: State) -> SourcePreview:
    return SourcePreview(state)


async def get_importer(state: State) -> DatasetImporter:
    return state.port(DatasetImporter)


async def get_reader(state: State) -> DatasetReader:
    return state.port(DatasetReader)


Outside = Annotated[OutsideDatasets, Depends(get_outside)]


async def get_views(state: State) -> Views:
    return Views(state)


async def get_figures(state: State) -> Figures:
    return state.port(Figures)


async def get_sql_readers(state: State) -> SqlReaders:
    return state.port(SqlReaders)


Preview = Annotated[SourcePreview, Depends(get_preview)]
Importer = Annotated[DatasetImporter, Depends(get_importer)]
Reader = Annotated[DatasetReader, Depends(get_reader)]
FiguresOf = Annotated[Figures, Depends(get_figures)]
DatasetViews = Annotated[Views, Depends(get_views)]
Readers = Annotated[SqlReaders, Depends(get_sql_readers)]
Version = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_VERSION,
        description="Version number; the current one by default.",
    ),
]
RowLimit = Annotated[
    int, Query(alias="limit", ge=1, le=MAX_ROWS, description="Rows per page.")
]
Select = Annotated[
    str | None, Query(max_length=20_000, description='Columns: `a,"b c"`.')
]
Where = Annotated[
    str | None,
    Query(
        max_length=2_000, description="A condition, such as `age > 30 AND x IS NULL`."
    ),
]
Sort = Annotated[
    str | None, Query(max_length=2_000, description="Columns; `-` sorts downwards.")
]
DEFAULT_ROWS = DEFAULT_LIMIT
