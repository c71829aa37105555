"""Prompt templates: how each benchmark's questions are worded, and where that was published."""
