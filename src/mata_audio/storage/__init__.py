"""Files on disk: written whole or not at all; a run's folder, its items, what it ran on."""
