"""The suite's options, fixtures and marks, for our own stores as for anybody's."""

pytest_plugins = ["manystore.testing.plugin"]
