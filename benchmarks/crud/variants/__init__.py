"""The same table with an owner for each row, and with an audit log."""
