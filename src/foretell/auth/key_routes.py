"""API keys over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from foretell.auth.dependencies import AuthServices, own_path
from foretell.auth.keys import MadeKey, NewKey
from foretell.auth.schemas import KeyCreate, KeyMade, KeyRead
from foretell.auth.tables import ApiKey
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.http.dependencies import (
    DEFAULT_OBJECTS,
    CurrentUser,
    Cursor,
    ObjectLimit,
)
from foretell.http.listing import page_response
from foretell.http.routing import requires, router
from foretell.http.schemas import ListOf

routes = router("/api/keys", tags=["keys"])


@routes.post(
    "",
    status_code=201,
    response_model=KeyMade,
    dependencies=[requires(Scope.KEYS_WRITE)],
)
async def make_key(
    body: KeyCreate,
    request: Request,
    response: Response,
    user: CurrentUser,
    services: AuthServices,
) -> KeyMade:
    """Make an API key. It is shown in this answer and never again.

    It can do no more than the credential that makes it. Send it as
    `Authorization: Bearer ftl_…`.
    """
    new = NewKey(
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        use_default_expiry="expires_at" not in body.model_fields_set,
    )
    made = await services.keys.create(user, new)
    response.headers["Location"] = own_path(request, f"/api/keys/{made.row.id}")
    response.headers["Cache-Control"] = "no-store"
    return _made(made)


@routes.get(
    "", response_model=ListOf[KeyRead], dependencies=[requires(Scope.KEYS_WRITE)]
)
async def list_keys(
    request: Request,
    response: Response,
    user: CurrentUser,
    services: AuthServices,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> Page[KeyRead]:
    """The caller's API keys, oldest first; everybody's for an admin."""
    page = await services.keys.list_page(user, cursor=cursor, limit=limit)
    shown = Page([_read(key) for key in page.items], page.next)
    return page_response(request, response, shown)


@routes.get(
    "/{key_id}", response_model=KeyRead, dependencies=[requires(Scope.KEYS_WRITE)]
)
async def read_key(key_id: str, user: CurrentUser, services: AuthServices) -> KeyRead:
    """One API key; of the key itself only how it starts."""
    return _read(await services.keys.get(user, key_id))


@routes.delete("/{key_id}", status_code=204, dependencies=[requires(Scope.KEYS_WRITE)])
async def delete_key(key_id: str, user: CurrentUser, services: AuthServices) -> None:
    """Delete an API key. It stops working everywhere within a second."""
    await services.keys.delete(user, key_id)


def _read(key: ApiKey) -> KeyRead:
    return KeyRead(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        prefix=f"ftl_{key.id}",
        owner_id=key.user_id,
        created_at=key.created_at,
        created_from=key.created_from,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        last_used_from=key.last_used_from,
    )


def _made(made: MadeKey) -> KeyMade:
    return KeyMade(**_read(made.row).model_dump(), key=made.key)
