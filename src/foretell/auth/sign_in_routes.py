"""Browsers, passwords, the caller, and the first admin over HTTP."""

from starlette.requests import Request
from starlette.responses import Response

from foretell.auth import browser
from foretell.auth.dependencies import AuthServices, IdentityOf
from foretell.auth.schemas import (
    EmailChange,
    EmailConfirm,
    EmailConfirmed,
    MeRead,
    PasswordChange,
    PasswordForgot,
    PasswordReset,
    SessionOpen,
    SessionOpened,
    SetupRead,
    SetupRun,
    SignedInRead,
    UserRead,
)
from foretell.auth.service import NewUser
from foretell.auth.tables import User
from foretell.errors import ForetellError
from foretell.http.dependencies import CurrentUser
from foretell.http.problems import problem_response
from foretell.http.routing import public, requires, router
from foretell.http.schemas import ListOf

routes = router("/api", tags=["sign-in"])


@routes.get("/me", response_model=MeRead, dependencies=[requires()])
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


@routes.post(
    "/password/forgot",
    status_code=202,
    response_class=Response,
    dependencies=[public],
)
async def forgot_password(
    body: PasswordForgot, request: Request, services: AuthServices
) -> Response:
    """Mail a link to set a new password, if there is such an account. The answer is
    the same either way."""
    refusal = await services.recovery.forgot(body.email)
    if refusal is not None:
        return problem_response(request, refusal)
    return Response(status_code=202)


@routes.post("/password/reset", status_code=204, dependencies=[public])
async def reset_password(body: PasswordReset, services: AuthServices) -> None:
    """Set a new password by the token of the mail. All sign-ins end."""
    await services.recovery.reset(body.token, body.password)


@routes.get("/setup", response_model=SetupRead, dependencies=[public])
async def read_setup(services: AuthServices) -> SetupRead:
    """Whether the server still waits for its first admin."""
    return SetupRead(needed=await services.setup.is_needed())


@routes.post("/setup", status_code=201, response_model=UserRead, dependencies=[public])
async def run_setup(
    body: SetupRun, request: Request, services: AuthServices
) -> User | Response:
    """Make the first admin with the code that `foretell serve` printed."""
    new = NewUser(body.email, body.password, body.name)
    made = await services.setup.run(body.code, new)
    if isinstance(made, ForetellError):
        return problem_response(request, made)
    return made


@routes.post(
    "/session", status_code=201, response_model=SessionOpened, dependencies=[public]
)
async def open_session(
    body: SessionOpen,
    request: Request,
    response: Response,
    identity: IdentityOf,
    services: AuthServices,
) -> SessionOpened | Response:
    """Sign a browser in: sets the session cookie and gives the CSRF token."""
    browser.ensure_may_open(request, identity.options)
    opened = await services.sessions.open(
        body.email,
        body.password,
        previous=browser.cookie_of(request, identity.options),
    )
    if isinstance(opened, ForetellError):
        return problem_response(request, opened)
    browser.set_cookie(request, response, opened.cookie)
    return SessionOpened(
        csrf_token=opened.csrf_token,
        expires_at=opened.expires_at,
        user=UserRead.model_validate(opened.user),
    )


@routes.delete("/session", status_code=204, dependencies=[requires()])
async def close_session(user: CurrentUser, services: AuthServices) -> Response:
    """Sign out: ends the session, or the sign-in of the token that was sent."""
    await services.sessions.close(user)
    response = Response(status_code=204)
    browser.clear_cookies(response)
    return response


@routes.get("/sessions", response_model=ListOf[SignedInRead], dependencies=[requires()])
async def list_sessions(
    user: CurrentUser, services: AuthServices
) -> ListOf[SignedInRead]:
    """Where the caller is signed in: browsers and tokens."""
    found = await services.sessions.list_own(user)
    return ListOf(items=[SignedInRead.model_validate(view) for view in found])


@routes.delete("/sessions", status_code=204, dependencies=[requires()])
async def end_own_sessions(user: CurrentUser, services: AuthServices) -> Response:
    """Sign the caller out everywhere, here too. API keys stay."""
    await services.sessions.end_own_all(user)
    response = Response(status_code=204)
    browser.clear_cookies(response)
    return response


@routes.delete("/sessions/{session_id}", status_code=204, dependencies=[requires()])
async def end_own_session(
    session_id: str, user: CurrentUser, services: AuthServices
) -> None:
    """Sign the caller out in one place."""
    await services.sessions.end_own(user, session_id)


@routes.post("/users/me/password", status_code=204, dependencies=[requires()])
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


@routes.post(
    "/users/me/email",
    status_code=202,
    response_class=Response,
    dependencies=[requires()],
)
async def change_own_email(
    body: EmailChange, request: Request, user: CurrentUser, services: AuthServices
) -> Response:
    """Ask for another e-mail. A link goes to the old and to the new address, and the
    account moves when both were opened. The answer does not tell who has an account."""
    refusal = await services.emails.start(user, body.email, body.current_password)
    if refusal is not None:
        return problem_response(request, refusal)
    return Response(status_code=202)


@routes.post("/email/confirm", response_model=EmailConfirmed, dependencies=[public])
async def confirm_email(body: EmailConfirm, services: AuthServices) -> EmailConfirmed:
    """Agree to a change of e-mail by the token of one of its two mails."""
    return EmailConfirmed(state=await services.emails.confirm(body.token))
