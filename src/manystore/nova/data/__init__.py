"""The trace that is replayed when none is named; ATTRIBUTION.md says where it comes from."""
