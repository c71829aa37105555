"""Settings: ``MATA`` itself, the published ones, and names and words for them.

``mata`` is the setting and applies it to a model; ``presets`` what was published for which model;
``named`` the settings that a run compares; ``in_words`` what a setting does, in a sentence.
"""
