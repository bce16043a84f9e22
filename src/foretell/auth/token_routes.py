"""The OAuth 2 token endpoint, revocation, and the public keys of our tokens."""

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from foretell.auth import oauth
from foretell.auth.dependencies import AuthServices, IdentityOf
from foretell.auth.errors import GrantRefused
from foretell.auth.grants import Granted, Grants
from foretell.auth.schemas import (
    KeySetRead,
    OAuthErrorRead,
    RevokedRead,
    TokenRead,
)
from foretell.errors import ForetellError
from foretell.http.routing import body_limit, public, router

routes = router(tags=["sign-in"])


_TOKEN_FIELDS = {
    "grant_type": "`password` or `refresh_token`.",
    "username": "The e-mail, for `password`.",
    "password": "The password, for `password`.",
    "refresh_token": "The refresh token, for `refresh_token`; good for one use.",
    "scope": "Scopes wanted, parted by spaces; all the role gives when left out.",
    "client_id": "The program; its refresh tokens are good for it alone.",
}
_REVOKE_FIELDS = {
    "token": "A refresh or access token.",
    "token_type_hint": "Ignored; the token says what it is.",
}


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthErrorRead, "description": "In the words of RFC 6749."},
    "default": {"model": OAuthErrorRead, "description": "Any other refusal."},
}


def _form(required: list[str], fields: dict[str, str]) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "description": words} for name, words in fields.items()
    }
    schema = {"type": "object", "required": required, "properties": properties}
    content = {"application/x-www-form-urlencoded": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@routes.post(
    "/token",
    response_model=TokenRead,
    dependencies=[public, body_limit(oauth.MAX_FORM_BYTES)],
    responses=_REFUSALS,
    openapi_extra=_form(["grant_type"], _TOKEN_FIELDS),
)
async def token(request: Request, services: AuthServices) -> Response:
    """Sign in, or renew a sign-in (RFC 6749).

    A refresh token is good for one use and answers with its successor. Using it
    again later ends the whole sign-in, for whoever holds any of its tokens.
    """
    try:
        form = await oauth.read_form(request)
        answer = await _grant(services.grants, form)
    except GrantRefused as error:
        return oauth.refusal(error)
    if isinstance(answer, ForetellError):
        return oauth.refusal(answer)
    return oauth.token_response(TokenRead(**asdict(answer)).model_dump())


async def _grant(grants: Grants, form: dict[str, str]) -> Granted | ForetellError:
    scope, client_id = form.get("scope", ""), form.get("client_id", "")[:255]
    match oauth.needed(form, "grant_type"):
        case "password":
            email, password = (
                oauth.needed(form, "username"),
                oauth.needed(form, "password"),
            )
            return await grants.by_password(
                email, password, scope=scope, client_id=client_id
            )
        case "refresh_token":
            refresh = oauth.needed(form, "refresh_token")
            return await grants.by_refresh_token(
                refresh, scope=scope, client_id=client_id
            )
    raise GrantRefused("unsupported_grant_type", "Use password or refresh_token.")


@routes.post(
    "/token/revoke",
    response_model=RevokedRead,
    responses=_REFUSALS,
    dependencies=[public, body_limit(oauth.MAX_FORM_BYTES)],
    openapi_extra=_form(["token"], _REVOKE_FIELDS),
)
async def revoke(request: Request, services: AuthServices) -> Response:
    """End a sign-in by one of its tokens (RFC 7009). Always 200 for a readable
    request: a token that does not count is as dead as asked for."""
    try:
        form = await oauth.read_form(request)
        await services.grants.revoke(oauth.needed(form, "token"))
    except GrantRefused as error:
        return oauth.refusal(error)
    return oauth.token_response({})


@routes.get("/.well-known/jwks.json", response_model=KeySetRead, dependencies=[public])
async def public_keys(identity: IdentityOf) -> Response:
    """The public keys of our access tokens (RFC 7517)."""
    jwks = await identity.keyring.public_jwks()
    return JSONResponse(jwks, headers={"Cache-Control": "public, max-age=300"})
