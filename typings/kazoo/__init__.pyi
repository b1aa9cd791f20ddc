"""Only what manystore uses of kazoo, which brings no types of its own."""
