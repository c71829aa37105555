"""inspect_ai: the provider ``mata/...``, which takes audio, and our benchmarks as a task."""

from mata_audio.harnesses.extras import check_extra

check_extra("inspect_ai", "inspect")
