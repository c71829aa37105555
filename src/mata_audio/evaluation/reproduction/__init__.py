"""Reproducing the paper's tables: published figures next to measured ones."""
