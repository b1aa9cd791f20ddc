"""What migrations cost, beside stable databases and code by hand: `python -m benchmarks --upgrade`."""
