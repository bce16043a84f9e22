"""Carry an error from a child to its parent, where it may be shown.

The child is not trusted: it names an error class, and the parent takes it only if
that is an error class of this package; everything else becomes `ChildFailed`. All
texts are cut, and free messages lose the paths in them.
"""

import importlib
import re
import sys
import traceback
from typing import Any

import msgspec

from foretell.errors import FieldError, ForetellError
from foretell.sandbox.errors import ChildCrashed, ChildFailed
from foretell.sandbox.messages import Crash, Refusal

_DETAIL_CHARS = 4_000
_MESSAGE_CHARS = 500
_TRACEBACK_CHARS = 32_000
_ERRORS = 1_000
_OWN_ERRORS = re.compile(r"foretell\.(?:[a-z_0-9]+\.)*errors")
_PATH = re.compile(
    r"(?<![\w/.])(?:~|\.{1,2})?/[^\s'\"`,;:()<>|]+|\b[A-Za-z]:\\[^\s'\"`,;()<>|]+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def refusal(error: ForetellError) -> Refusal:
    """Take an error apart; what is not plain data is left behind."""
    own = {"detail", "errors", "context"}
    return Refusal(
        error_class=f"{type(error).__module__}:{type(error).__qualname__}",
        slug=error.slug,
        detail=error.detail[:_DETAIL_CHARS],
        errors=[(e.pointer, e.message, e.code) for e in error.errors[:_ERRORS]],
        context=_plain(dict(error.context)),
        attributes=_plain({k: v for k, v in vars(error).items() if k not in own}),
    )


def crash(error: BaseException) -> Crash:
    """Describe an unexpected exception."""
    text = "".join(traceback.format_exception(error))
    return Crash(
        error_type=type(error).__name__[:100],
        message=_said(error)[:_MESSAGE_CHARS],
        traceback=text[-_TRACEBACK_CHARS:],
    )


def rebuild(message: Refusal) -> ForetellError:
    """Make the error again that the child raised, or `ChildFailed` in its place."""
    found = _find_class(message.error_class)
    if found is None:
        error: ForetellError = ChildFailed(message.detail[:_DETAIL_CHARS])
    else:
        # Constructors of subclasses take what they like; the parts are known.
        error = found.__new__(found)
        ForetellError.__init__(error, message.detail[:_DETAIL_CHARS])
        vars(error).update(_new_names(found, message.attributes))
        if not _has_fit_headers(error):
            error = ChildFailed(message.detail[:_DETAIL_CHARS])
    error.errors = tuple(FieldError(*fields) for fields in message.errors[:_ERRORS])
    error.context = message.context
    return error


def crashed(message: Crash) -> ChildCrashed:
    """Make the public error of an unexpected exception, without paths."""
    return ChildCrashed(message.error_type[:100], redact(message.message))


def redact(text: str) -> str:
    """Cut a free text and leave out paths and control characters."""
    return _PATH.sub("<path>", _CONTROL.sub(" ", text[:_MESSAGE_CHARS])).strip()


def _find_class(dotted: str) -> type[ForetellError] | None:
    module_name, _, name = dotted.partition(":")
    if not _OWN_ERRORS.fullmatch(module_name) or not name.isidentifier():
        return None
    try:
        module = sys.modules.get(module_name) or importlib.import_module(module_name)
    except ImportError:
        return None
    found = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, ForetellError):
        return found
    return None


def _new_names(found: type, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if name.isidentifier() and not name.startswith("_") and not hasattr(found, name)
    }


def _has_fit_headers(error: ForetellError) -> bool:
    """Tell whether the attributes that arrived carry the headers of the class."""
    try:
        return all(value.isprintable() for value in error.headers.values())
    except (AttributeError, TypeError, ValueError):
        return False


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in values.items():
        try:
            plain[key] = msgspec.to_builtins(value, str_keys=True)
        except (TypeError, ValueError):
            continue
    return plain


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:
        return f"(no text: {type(failure).__name__})"
