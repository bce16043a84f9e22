"""The model host's child side: one model version in one sandboxed process.

It opens the version, then reads bodies from its socket and sends back answers. The
body is parsed here too: a native model takes milliseconds, and a body of megabytes
would hold up the event loop of the API process however short the prediction is.
"""

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from foretell.errors import ForetellError
from foretell.models.loading import open_native, open_predictor
from foretell.models.ports import Predictor, Terms
from foretell.predictions.answering import Answerer
from foretell.predictions.errors import AnswerTooLarge, ModelNotLoaded
from foretell.predictions.feature_frames import RecordFeatures
from foretell.predictions.host_messages import READY, Call, HostRequest, Reply
from foretell.sandbox.frames import MAX_FRAME_BYTES, receive_frame, send_frame
from foretell.sandbox.refusals import refusal

# Two calls at a time: a short one need not wait for the end of a long one, and
# more would only share the same cores.
THREADS = 2
MAX_ANSWER_BYTES = MAX_FRAME_BYTES - 4096


def serve(request: HostRequest, sock: socket.socket) -> None:
    """Open the version of `request` and answer calls until the socket ends."""
    try:
        answerer = _open(request)
    except ForetellError as error:
        _send(sock, Reply(READY, refused=refusal(error)))
        return
    except Exception as error:
        # A library that changed since the upload may raise anything while it loads.
        changed = ModelNotLoaded(
            f"The model cannot be loaded any more: it raised {type(error).__name__}. "
            "A library may have changed since it was uploaded; upload it again."
        )
        _send(sock, Reply(READY, refused=refusal(changed)))
        return
    _send(sock, Reply(READY))
    _answer_calls(answerer, sock)


def _answer_calls(answerer: Answerer, sock: socket.socket) -> None:
    sending = threading.Lock()

    def work(call: Call) -> None:
        reply = _reply(answerer, call)
        with sending:
            _send(sock, reply)

    with ThreadPoolExecutor(THREADS) as pool:
        while (frame := receive_frame(sock)) is not None:
            pool.submit(work, msgspec.msgpack.decode(frame, type=Call))


def _reply(answerer: Answerer, call: Call) -> Reply:
    try:
        body, rows = _answer(answerer, call)
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerTooLarge
    except ForetellError as error:
        return Reply(call.id, refused=refusal(error))
    return Reply(call.id, body, rows)


def _answer(answerer: Answerer, call: Call) -> tuple[bytes, int]:
    rows = answerer.read(call.body, call.form)
    return answerer.answer(rows, call.form), len(rows)


def _open(request: HostRequest) -> Answerer:
    data = Path(request.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != request.sha256:
        raise ModelNotLoaded("The stored file is not the one that was inspected.")
    records = None
    if request.features is not None:
        records = RecordFeatures(request.features, request.functions)
    return Answerer(
        request.model,
        request.version,
        request.signature,
        _predictor(request, data),
        records,
    )


def _predictor(request: HostRequest, data: bytes) -> Predictor:
    if not request.is_native:
        return open_predictor(request.spec, request.signature, data)
    return open_native(
        Path(request.path),
        request.signature,
        request.spec,
        flavour=request.flavour,
        terms=Terms(request.allow, request.trust, Path(request.scratch)),
    )


def _send(sock: socket.socket, reply: Reply) -> None:
    send_frame(sock, msgspec.msgpack.encode(reply))
