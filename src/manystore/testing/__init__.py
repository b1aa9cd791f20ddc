"""The conformance suite, for manystore and for the authors of stores."""
