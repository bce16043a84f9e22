"""An aiohttp application that asks a Foretell elsewhere for predictions:
`FORETELL_URL=… FORETELL_API_KEY=… python -m hosts.aiohttp_caller`.
"""

import os
from collections.abc import AsyncIterator

from aiohttp import web

from foretell.client import AsyncClient
from foretell.errors import ForetellError, Unavailable

CLIENT = web.AppKey("client", AsyncClient)


async def foretell(app: web.Application) -> AsyncIterator[None]:
    """One client for the life of the process: it keeps connections open."""
    async with AsyncClient() as client:
        app[CLIENT] = client
        yield


async def score(request: web.Request) -> web.Response:
    """Predictions of the rows in the body, by the model in the path."""
    try:
        rows = (await request.json())["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise web.HTTPBadRequest(text='Send {"rows": […]}.') from error
    try:
        found = await request.app[CLIENT].predict(request.match_info["model"], rows)
    except Unavailable as error:
        raise web.HTTPServiceUnavailable(text=error.detail) from error
    except ForetellError as error:
        raise web.HTTPUnprocessableEntity(text=error.detail) from error
    return web.json_response({"scores": found["predictions"]})


def application() -> web.Application:
    """The application, to be served by anything that serves aiohttp."""
    app = web.Application()
    app.cleanup_ctx.append(foretell)
    app.router.add_post("/score/{model}", score)
    return app


if __name__ == "__main__":
    web.run_app(
        application(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080"))
    )
