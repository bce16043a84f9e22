"""Accounts and the audit log over HTTP, and all routers of the area."""

from typing import Annotated

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from foretell.auth import key_routes, sign_in_routes, token_routes
from foretell.auth.audit import AuditFilter
from foretell.auth.dependencies import (
    AuthServices,
    MaybeUser,
    etag_of,
    own_path,
    revision_of,
)
from foretell.auth.schemas import (
    AuditRead,
    MeUpdate,
    UserCreate,
    UserRead,
    UserUpdate,
)
from foretell.auth.service import NewUser, UserChange
from foretell.auth.sign_up_route import SignUpRoute
from foretell.auth.tables import AuditEntry, User
from foretell.core.pagination import Page
from foretell.core.principal import Scope
from foretell.errors import ForetellError
from foretell.http.dependencies import (
    DEFAULT_OBJECTS,
    CurrentUser,
    Cursor,
    ObjectLimit,
    State,
)
from foretell.http.listing import page_response
from foretell.http.problems import problem_response
from foretell.http.routing import requires, router
from foretell.http.schemas import ListOf

users = router("/api/users", tags=["users"])
audit = router("/api/audit", tags=["audit"])

IfMatch = Annotated[str | None, Header(alias="If-Match")]


async def make_user(
    body: UserCreate,
    request: Request,
    response: Response,
    caller: MaybeUser,
    services: AuthServices,
) -> User | Response:
    """Make an account. Callers without `users:write` may make a viewer's for
    themselves where the setting SIGNUP is `open`."""
    new = NewUser(body.email, body.password, body.name, body.role)
    if caller is not None and caller.may(Scope.USERS_WRITE):
        made: User | ForetellError = await services.accounts.create(caller, new)
    else:
        made = await services.accounts.sign_up(new)
    if isinstance(made, ForetellError):
        return problem_response(request, made)
    response.headers["Location"] = own_path(request, f"/api/users/{made.id}")
    response.headers["ETag"] = etag_of(made)
    return made


users.add_api_route(
    "",
    make_user,
    methods=["POST"],
    status_code=201,
    response_model=UserRead,
    dependencies=[requires(Scope.USERS_WRITE)],
    route_class_override=SignUpRoute,
)


@users.get(
    "", response_model=ListOf[UserRead], dependencies=[requires(Scope.USERS_READ)]
)
async def list_users(
    request: Request,
    response: Response,
    services: AuthServices,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> Page[User]:
    """Accounts in the order they were made."""
    page = await services.accounts.list_page(cursor=cursor, limit=limit)
    return page_response(request, response, page)


@users.get("/me", response_model=UserRead, dependencies=[requires()])
async def read_own_user(
    response: Response, user: CurrentUser, services: AuthServices
) -> User:
    """The caller's own account."""
    found = await services.accounts.get(user.user_id)
    response.headers["ETag"] = etag_of(found)
    return found


@users.patch("/me", response_model=UserRead, dependencies=[requires()])
async def change_own_user(
    body: MeUpdate,
    response: Response,
    user: CurrentUser,
    services: AuthServices,
    if_match: IfMatch = None,
) -> User:
    """Change the caller's own account: its name. Passwords have a route of their
    own; roles are given by admins."""
    changed = await services.accounts.change(
        user,
        user.user_id,
        UserChange(name=body.name),
        revision=revision_of(if_match),
    )
    response.headers["ETag"] = etag_of(changed)
    return changed


@users.get(
    "/{user_id}", response_model=UserRead, dependencies=[requires(Scope.USERS_READ)]
)
async def read_user(user_id: str, response: Response, services: AuthServices) -> User:
    """One account."""
    found = await services.accounts.get(user_id)
    response.headers["ETag"] = etag_of(found)
    return found


@users.patch(
    "/{user_id}", response_model=UserRead, dependencies=[requires(Scope.USERS_WRITE)]
)
async def change_user(
    user_id: str,
    body: UserUpdate,
    response: Response,
    user: CurrentUser,
    services: AuthServices,
    if_match: IfMatch = None,
) -> User:
    """Change an account. A new role, or disabling, acts within a second."""
    changed = await services.accounts.change(
        user,
        user_id,
        UserChange(name=body.name, role=body.role, disabled=body.disabled),
        revision=revision_of(if_match),
    )
    response.headers["ETag"] = etag_of(changed)
    return changed


@users.delete("/{user_id}", status_code=204, dependencies=[requires(Scope.USERS_WRITE)])
async def delete_user(user_id: str, user: CurrentUser, services: AuthServices) -> None:
    """Delete an account with its keys and sessions. What it owned stays."""
    await services.accounts.delete(user, user_id)


@users.delete(
    "/{user_id}/sessions", status_code=204, dependencies=[requires(Scope.USERS_WRITE)]
)
async def end_sessions_of_user(
    user_id: str, user: CurrentUser, services: AuthServices
) -> None:
    """Sign a user out everywhere. Their API keys stay."""
    await services.sessions.end_all(user, user_id)


@users.post(
    "/{user_id}/password-reset",
    status_code=202,
    response_class=Response,
    dependencies=[requires(Scope.USERS_WRITE)],
)
async def start_password_reset(
    user_id: str, user: CurrentUser, services: AuthServices
) -> Response:
    """Mail a user the link to set a new password. Nobody sets it for them."""
    await services.recovery.start_reset(user, user_id)
    return Response(status_code=202)


@audit.get(
    "",
    response_model=ListOf[AuditRead],
    dependencies=[requires(Scope.AUDIT_READ)],
)
async def list_audit(
    request: Request,
    response: Response,
    state: State,
    services: AuthServices,
    actor_id: Annotated[str | None, Query(max_length=36)] = None,
    action: Annotated[str | None, Query(max_length=64)] = None,
    object_id: Annotated[str | None, Query(max_length=255)] = None,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> Page[AuditEntry]:
    """Who did what, when, to which object and from where; newest first."""
    wanted = AuditFilter(actor_id, action, object_id)
    page = await services.audit.list_page(
        state.cursors, wanted, cursor=cursor, limit=limit
    )
    return page_response(request, response, page)


routers = [
    token_routes.routes,
    sign_in_routes.routes,
    users,
    key_routes.routes,
    audit,
]
