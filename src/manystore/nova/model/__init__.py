"""Nova's models, one file an area. Plain Python: nothing in here knows a store."""
