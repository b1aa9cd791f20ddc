"""The SQL stores: SQLAlchemy Core writes the statements once, the driver's own cursor runs the kept text."""
