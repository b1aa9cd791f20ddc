"""How operations on the stored schema are carried out; what is imported here loads Alembic, so only `alter` does."""
