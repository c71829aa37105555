"""What a user writes in a setting, one file a field: layers, gains, rows, tokens."""
