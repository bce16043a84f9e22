"""Datasets as a route asks for them: an import of the file that it was sent."""

from collections.abc import Callable
from typing import Any

from foretell.core.principal import Principal
from foretell.datasets.importing import DatasetImporter
from foretell.datasets.options import Options
from foretell.datasets.service import DatasetsService
from foretell.http.uploads import UploadedFile
from foretell.jobs.schemas import JobRead


class RequestDatasets(DatasetsService):
    """The datasets service of one request.

    Args:
        importer: Keeps the files.
        announce: Called with the id of each job that an import becomes.
        parts: Of `DatasetsService`.
    """

    def __init__(
        self,
        importer: DatasetImporter,
        announce: Callable[[str], None],
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        self._importer = importer
        self._announce = announce

    async def import_file(
        self,
        principal: Principal,
        name: str,
        file: UploadedFile,
        *,
        target: str | None = None,
        **options: Any,
    ) -> JobRead:
        """Keep a received file and start its import as a new dataset.

        In a route that answers 202, the `Location` header of the answer names the
        job, so that `answers_finished` and `Prefer: wait` work there.

        Args:
            target: Path whose GET gives what the caller wants in the end; the
                dataset itself by default.
            options: Import options: `required`, `types`, `encoding`, …

        Raises:
            DatasetNameTaken: There is a dataset of that name.
        """
        source = await self._importer.keep_source(
            file.path, file.sha256, file.bytes, file.filename
        )
        given = Options(**options)
        job = await self.create(principal, name, source, given, target=target)
        self._announce(job.id)
        return JobRead.model_validate(job)
