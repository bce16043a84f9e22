"""What was counted of the calls of model versions, by day."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, Double, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from foretell.core.db import Base, LongText, table_options


class PredictionCount(Base):
    """What one process has counted of one version on one day (UTC).

    The process that made the row is the only one that writes it, each time with all
    it has counted so far, so that nothing is added twice when a write is tried again.
    Rows of past days are added up into one.

    Attributes:
        rows: Rows answered, whether they were looked at or not.
        content: The histograms, as JSON (`counting.Counted`).
    """

    __tablename__ = "prediction_counts"
    __table_args__ = table_options(
        Index("ix_prediction_counts_version_id_day", "version_id", "day"),
        Index("ix_prediction_counts_day", "day"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    version_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("model_versions.id", ondelete="CASCADE")
    )
    day: Mapped[date] = mapped_column(Date)
    calls: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
    content: Mapped[str] = mapped_column(LongText)
    updated_at: Mapped[datetime]
