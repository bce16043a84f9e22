"""Accounts, passwords, keys, sessions and the audit log over HTTP."""

from typing import Annotated

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from foretell.auth import browser, token_routes
from foretell.auth.audit import AuditFilter
from foretell.auth.dependencies import (
    AuthServices,
    IdentityOf,
    MaybeUser,
    etag_of,
    link_next,
    revision_of,
)
from foretell.auth.keys import MadeKey, NewKey
from foretell.auth.schemas import (
    AuditRead,
    KeyCreate,
    KeyMade,
    KeyRead,
    MeRead,
    MeUpdate,
    PasswordChange,
    PasswordForgot,
    PasswordReset,
    SessionOpen,
    SessionOpened,
    SetupRead,
    SetupRun,
    SignedInRead,
    UserCreate,
    UserRead,
    UserUpdate,
)
from foretell.auth.service import NewUser, UserChange
from foretell.auth.sign_up_route import SignUpRoute
from foretell.auth.tables import ApiKey, User
from foretell.core.principal import Scope
from foretell.errors import ForetellError
from foretell.http.dependencies import (
    DEFAULT_OBJECTS,
    CurrentUser,
    Cursor,
    ObjectLimit,
    State,
)
from foretell.http.problems import problem_response
from foretell.http.routing import public, requires, router
from foretell.http.schemas import ListOf

users = router("/api/users", tags=["users"])
me = router("/api", tags=["sign-in"])
keys = router("/api/keys", tags=["keys"])

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
    response.headers["Location"] = _path(request, f"/api/users/{made.id}")
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
) -> object:
    """Accounts in the order they were made."""
    page = await services.accounts.list_page(cursor=cursor, limit=limit)
    link_next(request, response, page.next)
    return page


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


@users.post("/me/password", status_code=204, dependencies=[requires()])
async def change_own_password(
    body: PasswordChange, request: Request, user: CurrentUser, services: AuthServices
) -> Response:
    """Change the caller's password.

    Every token and session ends at once, but the browser that asked; it gets a new
    cookie. API keys stay.
    """
    refusal = await services.recovery.change_password(
        user, body.current_password, body.new_password
    )
    if refusal is not None:
        return problem_response(request, refusal)
    response = Response(status_code=204)
    if user.method == "session":
        cookie = await services.sessions.renew(user)
        browser.set_cookie(request, response, cookie)
    return response


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
    dependencies=[requires(Scope.USERS_WRITE)],
)
async def start_password_reset(
    user_id: str, user: CurrentUser, services: AuthServices
) -> Response:
    """Mail a user the link to set a new password. Nobody sets it for them."""
    await services.recovery.start_reset(user, user_id)
    return Response(status_code=202)


@me.get("/me", response_model=MeRead, dependencies=[requires()])
async def read_me(
    response: Response, user: CurrentUser, services: AuthServices
) -> MeRead:
    """Who the caller is and what they may do."""
    found = await services.accounts.get(user.user_id)
    response.headers["Cache-Control"] = "no-store"
    return MeRead(
        id=found.id,
        email=found.email,
        name=found.name,
        role=user.role,
        scopes=sorted(user.scopes),
        method=user.method,
        csrf_token=services.sessions.csrf_of(user),
    )


@me.post("/password/forgot", status_code=202, dependencies=[public])
async def forgot_password(
    body: PasswordForgot, request: Request, services: AuthServices
) -> Response:
    """Mail a link to set a new password, if there is such an account. The answer is
    the same either way."""
    refusal = await services.recovery.forgot(body.email)
    if refusal is not None:
        return problem_response(request, refusal)
    return Response(status_code=202)


@me.post("/password/reset", status_code=204, dependencies=[public])
async def reset_password(body: PasswordReset, services: AuthServices) -> None:
    """Set a new password by the token of the mail. All sign-ins end."""
    await services.recovery.reset(body.token, body.password)


@me.get("/setup", response_model=SetupRead, dependencies=[public])
async def read_setup(services: AuthServices) -> SetupRead:
    """Whether the server still waits for its first admin."""
    return SetupRead(needed=await services.setup.is_needed())


@me.post("/setup", status_code=201, response_model=UserRead, dependencies=[public])
async def run_setup(
    body: SetupRun, request: Request, services: AuthServices
) -> User | Response:
    """Make the first admin with the code that `foretell serve` printed."""
    new = NewUser(body.email, body.password, body.name)
    made = await services.setup.run(body.code, new)
    if isinstance(made, ForetellError):
        return problem_response(request, made)
    return made


@me.post(
    "/session", status_code=201, response_model=SessionOpened, dependencies=[public]
)
async def open_session(
    body: SessionOpen,
    request: Request,
    response: Response,
    caller: MaybeUser,
    identity: IdentityOf,
    services: AuthServices,
) -> SessionOpened | Response:
    """Sign a browser in: sets the session cookie and gives the CSRF token."""
    browser.ensure_may_open(request, identity.options)
    opened = await services.sessions.open(body.email, body.password, previous=caller)
    if isinstance(opened, ForetellError):
        return problem_response(request, opened)
    browser.set_cookie(request, response, opened.cookie)
    return SessionOpened(
        csrf_token=opened.csrf_token,
        expires_at=opened.expires_at,
        user=UserRead.model_validate(opened.user),
    )


@me.delete("/session", status_code=204, dependencies=[requires()])
async def close_session(user: CurrentUser, services: AuthServices) -> Response:
    """Sign out: ends the session, or the sign-in of the token that was sent."""
    await services.sessions.close(user)
    response = Response(status_code=204)
    browser.clear_cookies(response)
    return response


@me.get("/sessions", response_model=ListOf[SignedInRead], dependencies=[requires()])
async def list_sessions(
    user: CurrentUser, services: AuthServices
) -> ListOf[SignedInRead]:
    """Where the caller is signed in: browsers and tokens."""
    found = await services.sessions.list_own(user)
    return ListOf(items=[SignedInRead.model_validate(view) for view in found])


@me.delete("/sessions", status_code=204, dependencies=[requires()])
async def end_own_sessions(user: CurrentUser, services: AuthServices) -> Response:
    """Sign the caller out everywhere, here too. API keys stay."""
    await services.sessions.end_all(user, user.user_id)
    response = Response(status_code=204)
    browser.clear_cookies(response)
    return response


@me.delete("/sessions/{session_id}", status_code=204, dependencies=[requires()])
async def end_own_session(
    session_id: str, user: CurrentUser, services: AuthServices
) -> None:
    """Sign the caller out in one place."""
    await services.sessions.end_own(user, session_id)


@me.get(
    "/audit",
    tags=["audit"],
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
) -> object:
    """Who did what, when, to which object and from where; newest first."""
    wanted = AuditFilter(actor_id, action, object_id)
    page = await services.audit.list_page(
        state.cursors, wanted, cursor=cursor, limit=limit
    )
    link_next(request, response, page.next)
    return page


@keys.post(
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
    response.headers["Location"] = _path(request, f"/api/keys/{made.row.id}")
    response.headers["Cache-Control"] = "no-store"
    return _made(made)


@keys.get("", response_model=ListOf[KeyRead], dependencies=[requires(Scope.KEYS_WRITE)])
async def list_keys(
    request: Request,
    response: Response,
    user: CurrentUser,
    services: AuthServices,
    limit: ObjectLimit = DEFAULT_OBJECTS,
    cursor: Cursor = None,
) -> ListOf[KeyRead]:
    """The caller's API keys, oldest first; everybody's for an admin."""
    page = await services.keys.list_page(user, cursor=cursor, limit=limit)
    link_next(request, response, page.next)
    return ListOf(items=[_read(key) for key in page.items], next=page.next)


@keys.get(
    "/{key_id}", response_model=KeyRead, dependencies=[requires(Scope.KEYS_WRITE)]
)
async def read_key(key_id: str, user: CurrentUser, services: AuthServices) -> KeyRead:
    """One API key; of the key itself only how it starts."""
    return _read(await services.keys.get(user, key_id))


@keys.delete("/{key_id}", status_code=204, dependencies=[requires(Scope.KEYS_WRITE)])
async def delete_key(key_id: str, user: CurrentUser, services: AuthServices) -> None:
    """Delete an API key. It stops working everywhere within a second."""
    await services.keys.delete(user, key_id)


def _path(request: Request, path: str) -> str:
    return str(request.scope.get("root_path", "")) + path


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
    )


def _made(made: MadeKey) -> KeyMade:
    return KeyMade(**_read(made.row).model_dump(), key=made.key)


routers = [token_routes.routes, users, me, keys]
