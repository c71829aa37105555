"""The rules by which benchmarks score predictions, and the text their official scripts print."""
