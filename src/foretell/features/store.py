"""Statements about feature sets."""

from sqlalchemy.ext.asyncio import AsyncSession

from foretell.auth.versioned_store import VersionedStore
from foretell.features.tables import FeatureSet, FeatureSetVersion


class FeatureSetStore(VersionedStore):
    """Reads and writes feature sets in one session."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__(session, FeatureSet, FeatureSetVersion, "feature_set_id")
