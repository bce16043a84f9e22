"""Accounts of another backend, with the hashes of their passwords.

Nobody has to choose a new password: a hash is stored as it came and upgraded at the
next sign-in (`foreign_hashes`). Running an import again adds what is new and touches
nothing that is there, since people may have changed their password meanwhile.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from foretell.auth.emails import checked_email, email_key
from foretell.auth.errors import EmailUnfit
from foretell.auth.foreign_hashes import UNUSABLE, HashUnreadable, imported_hash
from foretell.auth.tables import User
from foretell.auth.work import Work
from foretell.core.ids import new_id
from foretell.core.principal import Principal, Role
from foretell.core.texts import is_storable

MAX_NAME = 255
MAX_TOLD = 100


@dataclass(frozen=True, slots=True)
class ForeignUser:
    """One account as the other backend has it.

    Attributes:
        place: Where it stands there, for reports: `line 7`, `id 42`.
        hash: Of its password; empty where it has none. Never logged or shown.
    """

    place: str
    email: str
    name: str
    hash: str = field(repr=False)
    role: Role = Role.VIEWER
    disabled: bool = False


@dataclass(slots=True)
class ImportReport:
    """What became of the accounts.

    Attributes:
        imported: Made here.
        without_password: Of those, how many have none that could be taken over.
        there_already: Had an account here; left as it is.
        refused: Could not be made, all of them.
        reasons: The first hundred refusals: `line 7: …`.
    """

    imported: int = 0
    without_password: int = 0
    there_already: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, place: str, why: str) -> None:
        self.refused += 1
        if len(self.reasons) < MAX_TOLD:
            self.reasons.append(f"{place}: {why}")


class UserImport:
    """Makes accounts of what another backend has, in one unit of work."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def take(
        self, by: Principal, users: Sequence[ForeignUser], report: ImportReport
    ) -> None:
        """Make accounts of some users, and add to `report` what became of each."""
        made: Counter[str] = Counter()
        for user in users:
            row = self._row_of(user, report)
            if row is None:
                continue
            if not await self._work.users.add(row):
                report.there_already += 1
                continue
            report.imported += 1
            report.without_password += row.password_hash == UNUSABLE
            made[row.role] += 1
        if made:
            await self._work.audit.record(
                "user.import", by, kind="user", made=dict(made)
            )

    def _row_of(self, user: ForeignUser, report: ImportReport) -> User | None:
        try:
            email = checked_email(user.email.strip())
            password_hash = imported_hash(user.hash)
        except EmailUnfit as error:
            report.refuse(user.place, error.detail)
            return None
        except HashUnreadable as error:
            report.refuse(user.place, f"The hash of the password {error}.")
            return None
        name = user.name.strip()[:MAX_NAME] or email.partition("@")[0]
        if not is_storable(name):
            report.refuse(user.place, "The name holds characters that none may.")
            return None
        now = self._work.clock.now()
        return User(
            id=new_id(),
            email=email,
            email_key=email_key(email),
            name=name,
            role=str(user.role),
            password_hash=password_hash,
            disabled=user.disabled,
            token_version=1,
            revision=1,
            created_at=now,
            updated_at=now,
        )


async def in_batches(
    users: AsyncIterator[ForeignUser], size: int = 500
) -> AsyncIterator[list[ForeignUser]]:
    """`users` in lists of at most `size`, so that none waits for the last one."""
    batch: list[ForeignUser] = []
    async for user in users:
        batch.append(user)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
