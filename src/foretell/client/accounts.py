"""Who I am, users, API keys, and the server itself."""

from collections.abc import Sequence
from typing import Any

from foretell.client.calls import Call, as_json, get, nothing, path, post
from foretell.client.operations import call
from foretell.client.shapes import ApiKey, Me, Page, User


@call
def me() -> Call[Me]:
    """The caller: role and scopes."""
    return get(path("me"), as_json(Me))


@call
def list_users(limit: int = 100, cursor: str | None = None) -> Call[Page[User]]:
    """One page of users."""
    return get(path("users"), as_json(Page[User]), limit=limit, cursor=cursor)


@call
def get_user(user_id: str) -> Call[User]:
    """One user."""
    return get(path("users", user_id), as_json(User))


@call
def create_user(
    email: str, password: str, name: str, role: str | None = None
) -> Call[User]:
    """Make a user; without a role the server's default."""
    body = {"email": email, "password": password, "name": name}
    if role is not None:
        body["role"] = role
    return post(path("users"), as_json(User), json=body)


@call
def change_user(user_id: str, **changes: Any) -> Call[User]:
    """Change a user's name, role or whether the account is disabled."""
    return Call("PATCH", path("users", user_id), as_json(User), json=changes)


@call
def delete_user(user_id: str) -> Call[None]:
    """Delete a user."""
    return Call("DELETE", path("users", user_id), nothing)


@call
def list_keys(limit: int = 100, cursor: str | None = None) -> Call[Page[ApiKey]]:
    """One page of the caller's API keys."""
    return get(path("keys"), as_json(Page[ApiKey]), limit=limit, cursor=cursor)


@call
def create_key(
    name: str, scopes: Sequence[str], expires_at: str | None = None
) -> Call[ApiKey]:
    """Make an API key; only this answer holds the key itself, in `key`."""
    body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
    if expires_at is not None:
        body["expires_at"] = expires_at
    return post(path("keys"), as_json(ApiKey), json=body)


@call
def delete_key(key_id: str) -> Call[None]:
    """Delete an API key; it opens nothing from then on."""
    return Call("DELETE", path("keys", key_id), nothing)


@call
def server_version() -> Call[dict[str, str]]:
    """The version of Foretell that answers."""
    return get(path("version"), as_json(dict[str, str]))


@call
def openapi() -> Call[dict[str, Any]]:
    """The OpenAPI document as the caller sees it, own models included."""
    return get("/openapi.json", as_json(dict[str, Any]))
