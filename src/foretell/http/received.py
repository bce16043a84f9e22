"""The file of a request, as a dependency: for routes that take one and nothing else."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from foretell.http.state import state
from foretell.http.upload_limit import UploadLimit
from foretell.http.uploads import Form, UploadedFile, receive

_FILE = Form(files=("file",))


async def receive_file(
    request: Request, limit: UploadLimit
) -> AsyncIterator[UploadedFile]:
    """Receive the body to disk: the part `file` of a form, or the whole of it.

    The file is gone when the request ends; `Datasets.import_file` keeps it. The route
    has to declare `takes_file`.
    """
    folder = state(request).settings.data_dir / "incoming"
    async with receive(request, folder, _FILE, limit=limit) as upload:
        yield upload.file("file")


TableFile = Annotated[UploadedFile, Depends(receive_file, scope="function")]
