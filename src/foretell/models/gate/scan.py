"""Reads a pickle or joblib file through the gate."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from foretell.models.gate.containers import BadContainer, compression_of, unpack
from foretell.models.gate.machine import BoundedReader, Findings, Machine, _Located
from foretell.models.gate.verdict import Outcome, Reason, Verdict


@dataclass(frozen=True, slots=True)
class Scanned:
    """A verdict with the very bytes it was made on.

    Attributes:
        stream: The unpacked pickle, at its start. Loading reads this and not the
            file again, so what was checked is what is loaded.
        by_admission: Names admitted only because the operator listed their package.
    """

    verdict: Verdict
    stream: IO[bytes]
    by_admission: frozenset[tuple[str, str]]


def scan(
    path: Path, *, allow: Sequence[str] = (), scratch: Path | None = None
) -> Scanned:
    """Judge a pickle or joblib file without executing any of it.

    Args:
        allow: Packages whose classes the operator admits (`PICKLE_ALLOW`).
        scratch: Folder for the unpacked copy of a compressed file.
    """
    with path.open("rb") as file:
        compression = compression_of(file.read(16))
    findings = Findings(allow)
    stream: IO[bytes] = path.open("rb")
    try:
        if compression is not None:
            stream.close()
            stream = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115
            unpack(path, stream, compression)
            stream.seek(0)
        size = stream.seek(0, 2)
        stream.seek(0)
        _read(stream, size, findings)
    except BadContainer as error:
        size = 0
        findings.object_to(Reason("container", str(error)), is_hostile=True)
    stream.seek(0)
    return Scanned(
        verdict=_verdict(findings, compression, size),
        stream=stream,
        by_admission=frozenset(findings.by_admission),
    )


def _read(stream: IO[bytes], size: int, findings: Findings) -> None:
    try:
        Machine(BoundedReader(stream, size), findings).run()
    except _Located as refusal:
        findings.object_to(refusal.as_reason(), is_hostile=True)
        return
    if stream.tell() != size:
        reason = Reason(
            "trailing",
            "There are bytes after the end of the pickle.",
            None,
            stream.tell(),
        )
        findings.object_to(reason, is_hostile=True)


def _verdict(findings: Findings, compression: str | None, size: int) -> Verdict:
    outcome: Outcome = "gated"
    if findings.hostile:
        outcome = "hostile"
    elif findings.unknown:
        outcome = "unknown"
    return Verdict(
        outcome=outcome,
        format="joblib" if findings.has_joblib_arrays else "pickle",
        compression=compression,
        globals=sorted(findings.globals),
        reasons=findings.hostile + findings.unknown,
        libraries=findings.libraries,
        bytes=size,
    )
