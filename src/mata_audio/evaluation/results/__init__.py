"""From stored answers to figures, tables, files and comparisons; no model is needed."""
