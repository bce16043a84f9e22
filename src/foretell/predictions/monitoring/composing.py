"""Builds what keeps house among the counts of predictions."""

from foretell.core.parts import Parts
from foretell.predictions.monitoring.service import Housekeeping


def housekeeping(parts: Parts) -> Housekeeping:
    """For the server that runs it once an hour."""
    return Housekeeping(
        parts.database, parts.clock, parts.settings.monitoring_retention_days
    )
