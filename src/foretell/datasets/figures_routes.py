"""HTTP routes of figures over rows: counts, groups, profiles, differences."""

from typing import Annotated

from fastapi import Query, Request, Response

from foretell.core.principal import Scope
from foretell.datasets.comparing import column_changes
from foretell.datasets.dependencies import (
    DatasetViews,
    FiguresOf,
    Reader,
    RowLimit,
    Select,
    Sort,
    Version,
    Where,
)
from foretell.datasets.reading import columns_of
from foretell.datasets.schemas import (
    AggregateRead,
    CountRead,
    DiffRead,
    ProfileRead,
)
from foretell.http.dependencies import CurrentUser
from foretell.http.leaving import unless_gone
from foretell.http.routing import requires, router
from foretell.http.schemas import MAX_VERSION
from foretell.http.timing import ServerTiming

routes = router("/api/datasets", tags=["datasets"])
READ = requires(Scope.DATASETS_READ)
COUNT_SECONDS = 5.0

By = Annotated[
    str | None,
    Query(max_length=2_000, description="Columns or expressions: `a,year(b)`."),
]
Measures = Annotated[
    str,
    Query(
        max_length=4_000,
        description="`count`, and `count distinct min max sum mean median std var` of "
        "a column or an expression, `quantile(x, 0.9)`.",
    ),
]
CountTime = Annotated[
    float, Query(gt=0, le=60, description="Seconds after which it says at least.")
]
VersionNumber = Annotated[int | None, Query(ge=1, le=MAX_VERSION)]
Compared = Annotated[int | None, Query(alias="from", ge=1, le=MAX_VERSION)]
Shown = Annotated[int, Query(ge=0, le=1_000, description="Rows shown of each kind.")]


@routes.get("/{name}/count", response_model=CountRead, dependencies=[READ])
async def count_rows(
    request: Request,
    response: Response,
    name: str,
    user: CurrentUser,
    views: DatasetViews,
    figures: FiguresOf,
    version: Version = None,
    where: Where = None,
    timeout_s: CountTime = COUNT_SECONDS,
) -> CountRead:
    """Count the rows for which a condition is true.

    Where time runs out, `exact` is false and there are at least so many.
    """
    timing = ServerTiming()
    with timing.step("find"):
        view = await views.get(user, name, version)
    with timing.step("read"):
        found = await unless_gone(
            request,
            figures.count(view.shown, where, seconds=timeout_s, caller=user.user_id),
        )
    response.headers.update(timing.header)
    return CountRead(count=found.count, exact=found.is_exact)


@routes.get(
    "/{name}/aggregate",
    response_class=Response,
    responses={200: {"model": AggregateRead}},
    dependencies=[READ],
)
async def aggregate_rows(
    request: Request,
    name: str,
    user: CurrentUser,
    views: DatasetViews,
    figures: FiguresOf,
    by: By = None,
    measures: Measures = "count",
    version: Version = None,
    where: Where = None,
    sort: Sort = None,
    limit: RowLimit = 100,
) -> Response:
    """Compute figures of groups of rows.

    Members are named as they were asked for: `by=year&measures=count,mean(x)` gives
    `{"year", "count", "mean(x)"}`. `groups` is how many groups there are.
    """
    timing = ServerTiming()
    with timing.step("find"):
        view = await views.get(user, name, version)
    with timing.step("read"):
        found = await unless_gone(
            request,
            figures.aggregate(
                view.shown,
                by=by,
                measures=measures,
                where=where,
                sort=sort,
                limit=limit,
                caller=user.user_id,
            ),
        )
    body = b'{"items":%b,"groups":%d}' % (found.body, found.count)
    return Response(body, headers=timing.header, media_type="application/json")


@routes.get("/{name}/profile", response_model=ProfileRead, dependencies=[READ])
async def read_profile(
    request: Request,
    response: Response,
    name: str,
    user: CurrentUser,
    views: DatasetViews,
    figures: FiguresOf,
    version: Version = None,
    where: Where = None,
) -> ProfileRead:
    """Describe each column: nulls, distinct values, quantiles, histogram; and how the
    number columns correlate."""
    timing = ServerTiming()
    with timing.step("find"):
        view = await views.get(user, name, version)
    with timing.step("read"):
        found = await unless_gone(
            request, figures.profile(view.shown, where, caller=user.user_id)
        )
    response.headers.update(timing.header)
    return ProfileRead(dataset=name, version=view.version, **found)


@routes.get("/{name}/diff", response_model=DiffRead, dependencies=[READ])
async def diff_versions(
    request: Request,
    response: Response,
    name: str,
    user: CurrentUser,
    views: DatasetViews,
    reader: Reader,
    from_: Compared = None,
    to: VersionNumber = None,
    key: Select = None,
    limit: Shown = 100,
) -> DiffRead:
    """Compare two versions: columns and rows that were added, removed and changed.

    Without numbers the current version is compared with the one before it (the first one
    with itself, which changed nothing). `key` names
    the columns that say which rows are the same; without it rows are the same where
    they are equal, and a changed row counts as one removed and one added.
    """
    timing = ServerTiming()
    with timing.step("find"):
        new = await views.get(user, name, to)
        old = await views.get(user, name, from_ or max(new.version - 1, 1))
        columns = column_changes(columns_of(old.shown), columns_of(new.shown))
        names = columns.keys_of(key)
    with timing.step("read"):
        found = await unless_gone(
            request,
            reader.diff(
                old.shown, new.shown, key=names, limit=limit, caller=user.user_id
            ),
        )
    response.headers.update(timing.header)
    found["rows"] |= {"from": old.shown.rows, "to": new.shown.rows}
    versions = {"from": old.version, "to": new.version}
    shown = {"dataset": name, **versions, "columns": columns.to_json(), **found}
    return DiffRead.model_validate(shown)
