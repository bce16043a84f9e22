"""One spelling of an e-mail address, the same on every database.

Databases disagree about case (`É` and `é` are equal on some, different on
others), so the unique column holds our own key and compares by code point.
"""

import re
import unicodedata

from email_validator import (
    SPECIAL_USE_DOMAIN_NAMES,
    EmailNotValidError,
    validate_email,
)

from foretell.auth.errors import EmailUnfit

MAX_EMAIL = 254
MAX_KEY = 320
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]")
# The validator refuses names such as `localhost` and `.local`, which a server in
# an office rightly uses; with this behind them they pass as the syntax they are.
_OUTER = ".example"
_RESERVED = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)


def checked_email(text: str) -> str:
    """Give `text` back if it is an e-mail address.

    Raises:
        EmailUnfit: It is not; the message says why.
    """
    key = email_key(text)
    if len(text) > MAX_EMAIL or len(key) > MAX_KEY:
        raise EmailUnfit(f"An e-mail has at most {MAX_EMAIL} characters.")
    return text


def email_key(text: str) -> str:
    """The form under which an address is unique: NFC and casefolded.

    Raises:
        EmailUnfit: `text` is not an e-mail address.
    """
    domain = "." + text.rpartition("@")[2].lower()
    outer = _OUTER if domain.endswith(_RESERVED) else ""
    try:
        parsed = validate_email(
            text + outer, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise EmailUnfit(str(error)) from None
    except ValueError:  # lone surrogates, which the validator tries to encode
        raise EmailUnfit("The e-mail holds characters that none may.") from None
    return _fold(parsed.normalized.removesuffix(outer))


def find_email_key(text: str) -> str | None:
    """The key of what somebody typed to sign in; `None` if no account can have it."""
    if _UNFIT.search(text):
        return None
    try:
        return email_key(text)
    except EmailUnfit:
        return None


def _fold(text: str) -> str:
    # Casefolding can undo NFC (İ becomes i and a dot above), hence twice.
    folded = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", folded)
