"""How large a file of the caller may be: the server's limit, or what the quota leaves."""

from typing import Annotated

from fastapi import Depends

from foretell.core.quota import QuotaExceeded, StorageQuota
from foretell.http.dependencies import CurrentUser, State
from foretell.http.uploads import Limit


async def get_upload_limit(state: State, user: CurrentUser) -> Limit:
    """Whichever of the two is smaller, with its refusal."""
    largest = Limit.of_server(int(state.settings.max_upload_bytes))
    quota = state.port(StorageQuota)
    if quota.limit is None:
        return largest
    async with state.database.reading() as session:
        used = await quota.used(session, user.user_id)
    left = max(0, quota.limit - used)
    if left >= largest.bytes:
        return largest
    refusal = QuotaExceeded(used, quota.limit)
    return Limit(left, lambda _name: refusal)


UploadLimit = Annotated[Limit, Depends(get_upload_limit)]
