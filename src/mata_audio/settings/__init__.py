"""Settings of methods: names and words for them, and what a run compares.

``named`` has the settings that a run compares; ``in_words`` what a setting does, in a sentence.
"""
