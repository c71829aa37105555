"""The page of ``mata web``: ask about a clip, see where the model listens, move a setting."""
