"""From stored answers to figures, tables, files and comparisons, without the model."""
