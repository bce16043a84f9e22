"""PyTorch models: programs of `torch.export` (`.pt2`), and TorchScript files.

The file itself is never given to PyTorch. What the gate admitted is written into an
archive of its own and loaded from there, so that what was checked is what is loaded,
whatever the two readers of zip files and pickles make of the original.
"""

import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from foretell.models.errors import ModelRefused, ModelUnreadable, ModelUnusable
from foretell.models.gate import archives, exported, torchscript
from foretell.models.gate.archives import Archive
from foretell.models.gate.containers import BadContainer
from foretell.models.gate.machine import Findings
from foretell.models.gate.torch_pickles import is_state_dict, read_pickle
from foretell.models.gate.verdict import Outcome, Reason, Verdict
from foretell.models.ports import Batch, EngineSpec, LoadedModel, Predictor, Terms
from foretell.models.signature import Signature
from foretell.plugins.flavours.nets import describe, predictor
from foretell.plugins.flavours.torch_programs import check_program, program_net
from foretell.plugins.flavours.torch_scripts import script_net

_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_SUFFIXES = (".pt", ".pt2", ".pth", ".ptc", ".torchscript")
_FIRST = ("data/", "code/", "models/", "constants/", "extra/", ".data/")
_SINGLE = frozenset(
    [
        "archive_format",
        "archive_version",
        "byteorder",
        "constants.pkl",
        "data.pkl",
        "version",
    ]
)
_OLD_EXPORT = "serialized_exported_program.json"
_MAX_NESTED = 256 << 20
EXPORT = (
    "Export the net and upload that file: torch.export.save(torch.export.export("
    "net.eval(), (example,), dynamic_shapes=({0: torch.export.Dim('rows')},)), "
    "'model.pt2')."
)


class TorchFlavour:
    """Exported programs, and TorchScript with a warning; no pickled modules."""

    name = "torch"

    def recognises(self, head: bytes, filename: str) -> bool:
        if head.startswith(_OLD_MAGIC):
            return True
        if not head.startswith(archives.MAGIC):
            return False
        if filename.lower().endswith(_SUFFIXES):
            return True
        return any(map(_is_torch_name, archives.names_in_head(head)))

    def load(
        self, path: Path, terms: Terms, examples: Batch | None = None
    ) -> LoadedModel:
        with _admitted(path, terms) as admitted:
            if admitted.program is not None:
                net = program_net(_torch(), admitted.path, admitted.program)
            else:
                net = script_net(_torch(), admitted.path, terms.names, examples)
        return describe(net, terms, admitted.verdict, examples, needs=("torch",))

    def open(
        self, path: Path, signature: Signature, spec: EngineSpec, terms: Terms
    ) -> Predictor:
        with _admitted(path, terms) as admitted:
            if admitted.program is not None:
                net = program_net(_torch(), admitted.path, admitted.program)
            else:
                net = script_net(_torch(), admitted.path, signature.names, None)
        return predictor(net, signature, spec)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A clean copy of an archive; `program` is None for TorchScript."""

    path: Path
    verdict: Verdict
    program: Mapping[str, Any] | None


def _is_torch_name(name: str) -> bool:
    root, _, inner = name.partition("/")
    if not inner:
        return name == _OLD_EXPORT
    is_known = inner in _SINGLE or inner.startswith(_FIRST)
    return bool(root) and is_known


@contextmanager
def _admitted(path: Path, terms: Terms) -> Iterator[_Admitted]:
    """Judge the file and write what is loaded in its place.

    Raises:
        ModelRefused, ModelUnreadable, ModelUnusable: Nothing of it is loaded.
    """
    with path.open("rb") as file:
        if file.read(len(_OLD_MAGIC)) == _OLD_MAGIC:
            raise _weights_only("PyTorch's format of before version 1.6", ())
    try:
        archive = Archive(path)
    except BadContainer as error:
        raise _hostile("container", str(error)) from error
    with (
        archive,
        tempfile.TemporaryDirectory(dir=terms.scratch, prefix="net-") as folder,
    ):
        clean = Path(folder) / "clean.pt2"
        root = _root_of(archive)
        if root + "archive_format" in archive.sizes:
            yield _program(archive, root, terms, clean)
        elif _is_script(archive, root):
            yield _script(archive, root, terms, clean)
        else:
            raise _pickled(archive, root, terms)


def _root_of(archive: Archive) -> str:
    """The one folder that PyTorch puts everything into, with its slash.

    Raises:
        ModelUnreadable: There is none.
    """
    if _OLD_EXPORT in archive.sizes:
        raise ModelUnreadable(
            "The program was exported by a PyTorch before 2.8. Load it there and save "
            f"it again with a newer one, or export it again. {EXPORT}"
        )
    roots = {name.partition("/")[0] for name in archive.sizes if "/" in name}
    if len(roots) != 1 or any("/" not in name for name in archive.sizes):
        if any(name.endswith(".pkl") for name in archive.sizes):
            raise _hostile(
                "second_pickle", "The archive holds pickles outside its one folder."
            )
        raise ModelUnreadable(
            f"The zip archive is not one that PyTorch writes. {EXPORT}"
        )
    return roots.pop() + "/"


def _is_script(archive: Archive, root: str) -> bool:
    return root + "constants.pkl" in archive.sizes or any(
        name.startswith(root + "code/") for name in archive.sizes
    )


def _hostile(code: str, message: str) -> ModelRefused:
    reason = Reason(code, message)
    return ModelRefused(Verdict("hostile", "torch", reasons=[reason]))


def _demand(verdict: Verdict, terms: Terms) -> None:
    is_trusted = terms.trust and verdict.outcome == "unknown"
    if not verdict.is_admitted and not is_trusted:
        raise ModelRefused(verdict)


# -- exported programs ---------------------------------------------------------------


def _program(archive: Archive, root: str, terms: Terms, clean: Path) -> _Admitted:
    found = exported.read_exported(archive, root)
    if not found.program:  # no trust makes up for what could not be read
        raise ModelRefused(found.verdict)
    _demand(found.verdict, terms)
    _check_sample(archive, root, terms)
    check_program(found.program)
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as target:
        fixed = {
            "archive_format": b"pt2",
            "archive_version": b"0",
            "byteorder": b"little",
            "version": b"6\n",
            exported.SAMPLE: b"",
            exported.MODEL: json.dumps(found.program).encode(),
        }
        fixed |= {name: json.dumps(one).encode() for name, one in found.configs.items()}
        for name, data in fixed.items():
            target.writestr(f"model/{name}", data)
        for name in found.payloads:
            _copy(archive, root + name, target, f"model/{name}")
    return _Admitted(clean, found.verdict, found.program)


def _check_sample(archive: Archive, root: str, terms: Terms) -> None:
    """Judge the pickle with the example inputs, though it is never loaded.

    A hostile file is not kept, not even for those who download it.
    """
    name = root + exported.SAMPLE
    if not archive.sizes.get(name):
        return
    findings = Findings(terms.allow)
    with tempfile.NamedTemporaryFile(dir=terms.scratch, suffix=".pt") as file:
        try:
            file.write(archive.read(name, _MAX_NESTED))
            file.flush()
            with Archive(Path(file.name)) as nested:
                for inner in nested.sizes:
                    if inner.endswith(".pkl"):
                        read_pickle(nested, inner, findings, is_script=False)
        except BadContainer as error:
            raise _hostile("container", f"The example inputs: {error}") from error
    if findings.hostile:
        verdict = Verdict("hostile", exported.FORMAT, reasons=findings.hostile)
        raise ModelRefused(verdict)


def _copy(archive: Archive, name: str, target: zipfile.ZipFile, new: str) -> None:
    info = zipfile.ZipInfo(new)
    with target.open(info, "w", force_zip64=archive.sizes[name] >= 1 << 31) as member:
        archive.copy(name, member)


# -- TorchScript ---------------------------------------------------------------------


def _script(archive: Archive, root: str, terms: Terms, clean: Path) -> _Admitted:
    if terms.pickle == "forbid":
        reason = Reason(
            "forbidden",
            "TorchScript files hold pickles, and this server takes none "
            f"(PICKLE=forbid). {EXPORT}",
        )
        raise ModelRefused(Verdict("unknown", torchscript.FORMAT, reasons=[reason]))
    found = torchscript.read_script(archive, root, Findings(terms.allow))
    _demand(found.verdict, terms)
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as target:
        for name in found.members:
            _copy(archive, root + name, target, f"model/{name}")
    return _Admitted(clean, found.verdict, None)


# -- what is not served --------------------------------------------------------------


def _pickled(archive: Archive, root: str, terms: Terms) -> ModelRefused:
    """The refusal of a file of `torch.save`, with what to do instead."""
    pickles = [name for name in archive.sizes if name.endswith(".pkl")]
    if root + "data.pkl" not in pickles:
        return _hostile("container", "The archive holds no model of PyTorch.")
    if len(pickles) > 1:
        return _hostile("second_pickle", "The archive holds a second pickle.")
    findings = Findings(terms.allow)
    read = read_pickle(archive, root + "data.pkl", findings, is_script=False)
    if findings.hostile:
        verdict = Verdict(
            "hostile",
            "torch",
            globals=sorted(findings.globals),
            reasons=findings.hostile,
        )
        return ModelRefused(verdict)
    classes = [reason.name for reason in findings.unknown if reason.name]
    if read is not None and not classes and is_state_dict(read.top):
        return _weights_only(f"{read.tensors} tensors by name", findings.globals)
    return _whole_module(classes, findings.globals)


def _weights_only(what: str, names: Sequence[str] | set[str]) -> ModelRefused:
    message = (
        f"The file holds only weights (a state_dict: {what}); the net's own code is "
        f"not in it, so nothing can be asked for predictions. Load them into the net, "
        f"then: {EXPORT}"
    )
    return _unserved("state_dict", message, None, names)


def _whole_module(classes: Sequence[str], names: set[str]) -> ModelRefused:
    which = classes[0] if classes else "objects"
    message = (
        f"The file is a pickled net ({which}): to load it would run code that it "
        f"names, and it needs that code on the server. {EXPORT}"
    )
    return _unserved("pickled_module", message, which, names)


def _unserved(
    code: str, message: str, name: str | None, names: Sequence[str] | set[str]
) -> ModelRefused:
    outcome: Outcome = "unknown"
    reasons = [Reason(code, message, name)]
    return ModelRefused(
        Verdict(outcome, "torch", globals=sorted(names), reasons=reasons)
    )


# -- the library ---------------------------------------------------------------------


def _torch() -> Any:
    """PyTorch, with one thread for a call.

    Raises:
        ModelUnusable: It is not installed here.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        import torch
    except ImportError as error:
        raise ModelUnusable(
            "PyTorch is not installed on this server, so the net cannot be loaded: "
            "pip install 'foretell[torch]', or export the net to ONNX."
        ) from error
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
    return torch
