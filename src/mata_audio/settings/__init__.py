"""Settings: ``MATA`` itself, published presets, named settings, and each of them in words."""
