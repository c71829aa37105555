"""How objects show themselves in a session: one short line, and HTML in a notebook."""
