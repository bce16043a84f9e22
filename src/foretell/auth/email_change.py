"""A new e-mail for an account: asked for with the password, confirmed by both addresses.

A thief of a session has no password; a thief of the password has not the old mailbox;
and nobody can claim an address whose mail they do not read. Who has lost the old
mailbox is helped by whoever runs the server: `foretell user email`.
"""

from datetime import timedelta
from typing import Literal

from foretell.auth import opaque
from foretell.auth.audit import Actor
from foretell.auth.emails import checked_email, email_key
from foretell.auth.errors import (
    CodeInvalid,
    CurrentPasswordWrong,
    EmailTaken,
    UserNotFound,
)
from foretell.auth.passwords import PasswordHasher
from foretell.auth.sessions import ensure_signed_in
from foretell.auth.tables import User
from foretell.auth.work import Glance, Work
from foretell.core.logs import get_logger
from foretell.core.principal import Principal
from foretell.errors import ForetellError

log = get_logger("foretell.auth")

LIFETIME = timedelta(minutes=30)
_OLD, _NEW = "email-old", "email-new"
_OTHER = {_OLD: _NEW, _NEW: _OLD}
_SUBJECT = "Confirm the new e-mail of your Foretell account"
_MAIL = """Somebody, probably you, asked to change the e-mail of an account on Foretell.

From: {old}
To:   {new}

Both addresses have to agree. Open this page within 30 minutes:
{link}

If it was not you, do nothing, and change your password.
"""
_TAKEN = """Somebody, probably you, asked to use this address for an account on Foretell.
It already belongs to one, so nothing changes.
"""


class EmailChanges:
    """Moves accounts from one address to another."""

    def __init__(self, work: Work, glance: Glance, passwords: PasswordHasher) -> None:
        self._work = work
        self._glance = glance
        self._passwords = passwords

    async def start(
        self, by: Principal, email: str, password: str
    ) -> ForetellError | None:
        """Mail a link to the caller's old and new address; the refusal comes as a
        value. An address that somebody has is answered alike, and told by mail alone.

        Raises:
            EmailUnfit: The new e-mail will not do.
        """
        ensure_signed_in(by)
        email = checked_email(email)
        address = self._work.origin.address
        async with self._glance() as look:
            user = await look.users.find(by.user_id)
            holder = await look.users.find_by_email_key(email_key(email))
            if user is None:
                raise UserNotFound
            refusal = await look.throttle.refusal(user.email_key, address)
            # Each start writes to two mailboxes, one of them anybody's.
            flood = await look.throttle.refusal(f"email:{user.id}", "")
        if refusal is not None or flood is not None:
            return refusal or flood
        verdict = await self._passwords.verify(password, user.password_hash)
        if not verdict.matches:
            await self._work.throttle.count(user.email_key, address)
            await self._recorded("email.change-start", by, user, is_ok=False)
            return CurrentPasswordWrong()
        await self._work.throttle.count(f"email:{user.id}", "")
        await self._forget(user.id)
        if holder is None or holder.id == user.id:
            await self._invite(user, email)
        else:
            await self._send(holder.email, _TAKEN)
        await self._recorded("email.change-start", by, user, new_email=email)
        return None

    async def confirm(self, token: str) -> Literal["waiting", "changed"]:
        """Agree for one address; with the second one the account has moved.

        Raises:
            CodeInvalid: The token is wrong, used or older than 30 minutes.
            EmailTaken: Somebody has taken the address meanwhile.
        """
        digests = {p: self._digest(p, token) for p in (_OLD, _NEW)}
        now = self._work.clock.now()
        async with self._glance() as look:
            codes = [
                await look.codes.find(digest, now=now) for digest in digests.values()
            ]
        code = next((c for c in codes if c is not None), None)
        if code is None or code.user_id is None or code.email is None:
            raise CodeInvalid
        # Held first: of two addresses that agree at once, the second sees the first.
        user = await self._work.users.find_locked(code.user_id)
        if user is None or not await self._work.codes.use(code.digest):
            raise CodeInvalid
        if await self._work.codes.is_open(_OTHER[code.purpose], user.id, now=now):
            return "waiting"
        await self._move(user, code.email, Actor.of(user, "email"))
        return "changed"

    async def change_local(self, by: Principal, user_id: str, email: str) -> User:
        """Give an account another e-mail from the command line."""
        email = checked_email(email)
        user = await self._work.users.find_locked(user_id)
        if user is None:
            raise UserNotFound
        await self._move(user, email, by)
        return user

    async def _move(self, user: User, email: str, by: Actor | Principal) -> None:
        old = user.email
        if not await self._work.users.move(user, email, email_key(email)):
            raise EmailTaken
        user.revision += 1
        user.updated_at = self._work.clock.now()
        await self._work.users.flush()
        await self._forget(user.id)
        # A link to set the password went to the address that is not theirs any more.
        await self._work.codes.forget("reset", user.id)
        await self._work.withdraw()
        await self._recorded("email.change", by, user, old_email=old, new_email=email)

    async def _invite(self, user: User, email: str) -> None:
        for purpose, to in ((_OLD, user.email), (_NEW, email)):
            token = opaque.new_secret()
            await self._work.codes.add(
                self._digest(purpose, token),
                purpose=purpose,
                user_id=user.id,
                expires_at=self._work.clock.now() + LIFETIME,
                email=email,
            )
            # Behind the #, which browsers do not send to any server.
            link = f"{self._work.options.address}/#/email/{token}"
            await self._send(to, _MAIL.format(old=user.email, new=email, link=link))

    async def _send(self, to: str, text: str) -> None:
        if self._work.mailer is None:
            log.warning("auth.no_mailer")
            return
        await self._work.mailer.send(to=to, subject=_SUBJECT, text=text)

    async def _forget(self, user_id: str) -> None:
        for purpose in (_OLD, _NEW):
            await self._work.codes.forget(purpose, user_id)

    def _digest(self, purpose: str, token: str) -> str:
        return opaque.code_digest(purpose, token, self._work.derived.codes)

    async def _recorded(
        self,
        action: str,
        by: Actor | Principal,
        user: User,
        *,
        is_ok: bool = True,
        **detail: str,
    ) -> None:
        await self._work.audit.record(
            action,
            by,
            kind="user",
            object_id=user.id,
            result="ok" if is_ok else "refused",
            **detail,
        )
