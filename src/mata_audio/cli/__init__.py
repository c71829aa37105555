"""The ``mata`` command. Nothing here imports torch or transformers before a command runs."""
