"""inspect_ai: the provider ``mata/...``, which takes audio, and our benchmarks as a task."""
