"""The where-clauses and the row checks are one rule, told twice."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import builds, lists, sampled_from
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from foretell.auth.ownership import (
    NotYours,
    Owned,
    ensure_may_write,
    may_read,
    may_write,
    readable,
    visible_to,
    writable_by,
)
from foretell.core.db import Database
from foretell.core.principal import Principal, Role, scopes_of
from foretell.errors import NotFound


class Base(DeclarativeBase):
    pass


class Thing(Owned, Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)


PEOPLE = ["a", "b", "ab", "a_", "%", "0190-aa"]
people = sampled_from(PEOPLE)
things = builds(
    Thing,
    owner_id=people,
    visibility=sampled_from(["private", "everyone"]),
    readers=lists(people, max_size=3),
    writers=lists(people, max_size=3),
)


def caller(user_id: str, role: Role = Role.EDITOR) -> Principal:
    return Principal(user_id, f"{user_id}@x.org", role, scopes_of(role), "token")


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=lists(things, max_size=8))
async def test_sql_and_rows_agree_for_everybody(
    database: Database, rows: list[Thing]
) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with database.writing() as session:
        session.add_all(rows)
    async with database.reading() as session:
        for who in [*map(caller, PEOPLE), caller("root", Role.ADMIN), caller("")]:
            seen = select(Thing.id).where(visible_to(Thing, who))
            changed = select(Thing.id).where(writable_by(Thing, who))
            may_see = {row.id for row in rows if may_read(row, who)}
            may_change = {row.id for row in rows if may_write(row, who)}
            assert set(await session.scalars(seen)) == may_see
            assert set(await session.scalars(changed)) == may_change
            assert may_change <= may_see


def test_what_one_may_not_see_does_not_exist() -> None:
    mine = Thing(owner_id="a", visibility="private", readers=["b"], writers=[])
    assert readable(mine, caller("b"), NotFound("no thing")) is mine
    for row in (mine, None):
        with pytest.raises(NotFound):
            readable(row, caller("c"), NotFound("no thing"))
    with pytest.raises(NotYours):
        ensure_may_write(mine, caller("b"))
