"""Reading a benchmark's files: questions, choices, audio, known releases."""
