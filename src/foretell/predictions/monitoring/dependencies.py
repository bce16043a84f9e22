"""Builds the monitoring service for one request."""

from typing import Annotated

from fastapi import Depends

from foretell.http.dependencies import Session, State
from foretell.models.composing import models_service
from foretell.predictions.monitoring.recording import PredictionLog
from foretell.predictions.monitoring.service import MonitoringService
from foretell.predictions.monitoring.store import MonitoringStore


async def get_monitoring(state: State, session: Session) -> MonitoringService:
    """The service in the request's unit of work."""
    return MonitoringService(
        MonitoringStore(session),
        models_service(state, session),
        state.port(PredictionLog),
        state.clock,
    )


Watching = Annotated[MonitoringService, Depends(get_monitoring)]
