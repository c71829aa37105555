"""Scoring: answer readers, each benchmark's rules, and what its official script prints."""
