"""Checks an e-mail and a password, for tokens and for browser sessions alike."""

from foretell.auth.audit import Actor
from foretell.auth.emails import find_email_key
from foretell.auth.errors import SignInFailed, TooManyFailures
from foretell.auth.passwords import PasswordHasher, Verdict
from foretell.auth.tables import User
from foretell.auth.work import Glance, Work
from foretell.errors import ForetellError


class SignIn:
    """Proves who somebody is.

    Known and unknown accounts take the same steps and the same time: two looks, one
    hash, one note of the failure.
    """

    def __init__(self, work: Work, glance: Glance, passwords: PasswordHasher) -> None:
        self._work = work
        self._glance = glance
        self._passwords = passwords

    async def check(
        self, email: str, password: str, *, method: str
    ) -> User | ForetellError:
        """The user, or the refusal; that comes as a value so that its trace stays.

        Args:
            method: `token` or `session`, for the audit log.
        """
        key = find_email_key(email) or ""
        account = key or email
        address = self._work.origin.address
        async with self._glance() as look:
            refusal = await look.throttle.refusal(account, address)
            known = await look.users.find_by_email_key(key)
            if refusal is not None and await look.throttle.is_noted(account, address):
                return refusal
        if refusal is not None:
            await self._work.throttle.note(account, address)
            return await self._refused(known, refusal, method)
        stored = known.password_hash if known else None
        verdict = await self._passwords.verify(password, stored)
        # Tries that ran side by side all passed the first look.
        refusal = await self._work.throttle.refusal(account, address)
        if refusal is not None:
            return await self._refused(known, refusal, method)
        user = await self._work.users.find_by_email_key(key)
        if not _counts(verdict, user, stored) or user is None:
            await self._work.throttle.count(account, address)
            return await self._refused(known, SignInFailed(), method)
        await self._work.throttle.forgive(account)
        if verdict.new_hash is not None:
            user.password_hash = verdict.new_hash
        return user

    async def _refused(
        self,
        known: User | None,
        refusal: SignInFailed | TooManyFailures,
        method: str,
    ) -> ForetellError:
        # People type passwords into the wrong field: only real accounts are named.
        name = known.email if known else "unknown"
        await self._work.audit.record(
            "sign-in",
            Actor(known.id if known else None, name, method),
            kind="user",
            object_id=known.id if known else "",
            result="refused",
            reason=refusal.slug,
        )
        return refusal


def _counts(verdict: Verdict, user: User | None, checked: str | None) -> bool:
    """Whether a right password still opens the account: it may have been disabled or
    given another password while the hash was computed."""
    return (
        verdict.matches
        and user is not None
        and not user.disabled
        and user.password_hash == checked
    )
