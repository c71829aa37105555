"""What ``mata demo`` shows: its example, its page, and the files that are its own."""
