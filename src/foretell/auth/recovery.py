"""Passwords changed and recovered, and the first admin of a new server."""

from datetime import timedelta

from foretell.auth import opaque
from foretell.auth.audit import Actor
from foretell.auth.emails import find_email_key
from foretell.auth.errors import (
    CodeInvalid,
    CurrentPasswordWrong,
    SetupCodeWrong,
    SetupDone,
    UserNotFound,
)
from foretell.auth.password_rules import check_new_password
from foretell.auth.passwords import PasswordHasher
from foretell.auth.service import Accounts, NewUser
from foretell.auth.sessions import ensure_signed_in
from foretell.auth.tables import User
from foretell.auth.work import Glance, Work
from foretell.core.logs import get_logger
from foretell.core.principal import Principal
from foretell.errors import ForetellError

log = get_logger("foretell.auth")

RESET_LIFETIME = timedelta(minutes=30)
SETUP_LIFETIME = timedelta(days=7)
NOBODY = "nobody@foretell.example"
_RESET, _SETUP = "reset", "setup"
_MAIL = """Somebody, probably you, asked to set a new password for {email} on Foretell.

Open this page within 30 minutes:
{link}

If it was not you, do nothing; the password stays as it is.
"""


class Recovery:
    """Changes and resets of passwords; each ends all other sign-ins."""

    def __init__(self, work: Work, glance: Glance, passwords: PasswordHasher) -> None:
        self._work = work
        self._glance = glance
        self._passwords = passwords

    async def change_password(
        self, by: Principal, current: str, new: str
    ) -> ForetellError | None:
        """Set the caller's own password; the refusal comes as a value.

        All tokens and browser sessions end, but the browser that asked.
        """
        ensure_signed_in(by)
        address = self._work.origin.address
        async with self._glance() as look:
            known = await look.users.find(by.user_id)
            if known is None:
                raise UserNotFound
            refusal = await look.throttle.refusal(known.email_key, address)
        if refusal is not None:
            return refusal
        self._check(new, known, "/new_password")
        verdict = await self._passwords.verify(current, known.password_hash)
        if not verdict.matches:
            await self._work.throttle.count(known.email_key, address)
            await self._recorded("password.change", by, known, result="refused")
            return CurrentPasswordWrong()
        new_hash = await self._passwords.hash(new)
        keep = by.credential_id if by.method == "session" else None
        await self._set(by.user_id, new_hash, keep=keep)
        await self._recorded("password.change", by, known)
        return None

    async def forgot(self, email: str) -> ForetellError | None:
        """Mail a link to set a new password, if there is such an account.

        Known and unknown accounts leave a code, a mail in the queue and a log entry
        alike, so neither the answer nor its time tells which they are.
        """
        key = find_email_key(email) or ""
        account, address = (
            f"forgot:{key or email}",
            f"forgot|{self._work.origin.address}",
        )
        async with self._glance() as look:
            refusal = await look.throttle.refusal("", address)
            flooded = await look.throttle.refusal(account, "")
            user = await look.users.find_by_email_key(key)
        if refusal is not None:
            return refusal
        await self._work.throttle.count(account, address)
        reachable = user if user and not user.disabled and not flooded else None
        await self._start(reachable)
        await self._work.audit.record(
            "password.forgot",
            Actor(None, "unknown"),
            kind="user",
            object_id=reachable.id if reachable else "",
        )
        return None

    async def start_reset(self, by: Principal, user_id: str) -> None:
        """Mail a user the link to set a new password; nobody sets it for them."""
        user = await self._work.users.find(user_id)
        if user is None:
            raise UserNotFound
        await self._start(user)
        await self._recorded("password.reset-start", by, user)

    async def reset(self, token: str, new: str) -> None:
        """Set a password by a mailed token, which is then used up.

        Raises:
            CodeInvalid: The token is wrong, used or older than 30 minutes.
            PasswordUnfit: The password will not do; the token stays good.
        """
        digest = opaque.code_digest(_RESET, token, self._work.derived.codes)
        async with self._glance() as look:
            code = await look.codes.find(digest, now=self._work.clock.now())
            known = await look.users.find(code.user_id or "") if code else None
        if known is None:
            raise CodeInvalid
        self._check(new, known, "/password")
        new_hash = await self._passwords.hash(new)
        if not await self._work.codes.use(digest):
            raise CodeInvalid
        user = await self._set(known.id, new_hash)
        await self._recorded("password.reset", Actor.of(user, "reset"), user)

    async def _start(self, user: User | None) -> None:
        token = opaque.new_secret()
        await self._work.codes.forget(_RESET, user.id if user else None)
        await self._work.codes.add(
            opaque.code_digest(_RESET, token, self._work.derived.codes),
            purpose=_RESET,
            user_id=user.id if user else None,
            expires_at=self._work.clock.now() + RESET_LIFETIME,
        )
        if self._work.mailer is None:
            log.warning("auth.no_mailer", user=user.id if user else None)
            return
        to = user.email if user else NOBODY
        # The token stands behind the #, which browsers do not send to any server.
        link = f"{self._work.options.address}/#/reset/{token}"
        await self._work.mailer.send(
            to=to,
            subject="Set a new password for Foretell",
            text=_MAIL.format(email=to, link=link),
            is_decoy=user is None,
        )

    async def _set(
        self, user_id: str, new_hash: str, *, keep: str | None = None
    ) -> User:
        user = await self._work.users.find_locked(user_id)
        if user is None:
            raise UserNotFound
        user.password_hash = new_hash
        user.token_version += 1
        user.updated_at = self._work.clock.now()
        await self._work.users.flush()
        await self._work.throttle.forgive(user.email_key)
        await self._work.codes.forget(_RESET, user.id)
        await self._work.end_sign_ins(user.id, keep=keep)
        return user

    def _check(self, new: str, user: User, pointer: str) -> None:
        minimum = self._work.options.password_min
        check_new_password(new, minimum=minimum, email=user.email, pointer=pointer)

    async def _recorded(
        self, action: str, by: Principal | Actor, user: User, *, result: str = "ok"
    ) -> None:
        await self._work.audit.record(
            action,
            by,
            kind="user",
            object_id=user.id,
            result="ok" if result == "ok" else "refused",
        )


class Setup:
    """The first admin, made in the browser with a code that `serve` prints.

    There is no default account. The code is short because people type it; the
    throttle gives a guesser twenty tries an hour at 2**40.
    """

    def __init__(self, work: Work, glance: Glance, accounts: Accounts) -> None:
        self._work = work
        self._glance = glance
        self._accounts = accounts

    async def is_needed(self) -> bool:
        return not await self._work.users.has_admin()

    async def issue_code(self) -> str | None:
        """A new setup code, the only good one; `None` when there is an admin."""
        if not await self.is_needed():
            return None
        code = opaque.new_setup_code()
        await self._work.codes.forget(_SETUP, None)
        await self._work.codes.add(
            opaque.code_digest(_SETUP, code, self._work.derived.codes),
            purpose=_SETUP,
            user_id=None,
            expires_at=self._work.clock.now() + SETUP_LIFETIME,
        )
        return code

    async def run(self, code: str, new: NewUser) -> User | ForetellError:
        """Make the first admin; a wrong code comes back as a value.

        Raises:
            SetupDone: There is an admin.
        """
        address = self._work.origin.address
        digest = opaque.code_digest(_SETUP, code, self._work.derived.codes)
        async with self._glance() as look:
            if await look.users.has_admin():
                raise SetupDone
            refusal = await look.throttle.refusal("setup:code", address)
            found = await look.codes.find(digest, now=self._work.clock.now())
        if refusal is not None:
            return refusal
        if found is None:
            await self._work.throttle.count("setup:code", address)
            await self._work.audit.record(
                "setup", Actor(None, "unknown"), result="refused"
            )
            return SetupCodeWrong()
        return await self._accounts.create_first(
            new, claim=lambda: self._work.codes.use(digest)
        )
