"""What manystore costs beside code written by hand for the same driver; `python -m benchmarks` prints the table."""
