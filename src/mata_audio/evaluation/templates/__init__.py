"""Prompt templates: how a benchmark's question is put, and where each wording was published."""
