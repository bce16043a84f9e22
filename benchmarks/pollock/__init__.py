"""How well broken CSV files are read, by the measures of the Pollock benchmark."""
