"""Options that several commands share: the model, the run, the setting."""
