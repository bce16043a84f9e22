"""Reads what fitted scikit-learn estimators know: their columns, their trees."""
