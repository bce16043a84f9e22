"""What a new password must be: long enough, and not one that everybody tries.

No rule asks for digits or capitals: they make passwords harder to remember and
no harder to guess (ASVS 6.2.5). The list of common passwords was written for
Foretell; it holds the well-known ones of eight characters and more, since shorter
ones are refused anyway.
"""

from functools import cache
from importlib.resources import files

from foretell.auth.errors import PasswordUnfit
from foretell.auth.passwords import MAX_PASSWORD
from foretell.core.texts import is_storable


def check_new_password(
    password: str, *, minimum: int, email: str = "", pointer: str = "/password"
) -> None:
    """Return if `password` may be set.

    Args:
        minimum: Fewest characters (code points), as the setting says.
        email: The account's address, which is no password.
        pointer: Where the password stands in the request.

    Raises:
        PasswordUnfit: It may not; the message says why, without repeating it.
    """
    if len(password) < minimum:
        message = f"A password has at least {minimum} characters."
        raise PasswordUnfit(message, "too_short", pointer)
    if len(password) > MAX_PASSWORD:
        message = f"A password has at most {MAX_PASSWORD:,} characters."
        raise PasswordUnfit(message, "too_long", pointer)
    if not is_storable(password):
        message = "A password holds no NUL and no half characters."
        raise PasswordUnfit(message, "character", pointer)
    folded = password.casefold()
    if folded in common_passwords():
        message = "This is one of the passwords that everybody tries first."
        raise PasswordUnfit(message, "common", pointer)
    if folded == email.casefold():
        raise PasswordUnfit("The e-mail is no password.", "common", pointer)


@cache
def common_passwords() -> frozenset[str]:
    """The common passwords, casefolded."""
    text = files("foretell.auth").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(text.split())
