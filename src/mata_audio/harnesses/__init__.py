"""Other people's harnesses: models for lmms-eval, and a provider and tasks for inspect_ai."""
