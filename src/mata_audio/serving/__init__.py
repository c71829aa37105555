"""An OpenAI-compatible server on Transformers' own: every request may have its own setting."""
