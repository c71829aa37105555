"""A benchmark's files: its questions, its choices, its audio, its releases."""
