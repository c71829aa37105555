"""From a question to a prompt, and from what a model says to an answer."""
