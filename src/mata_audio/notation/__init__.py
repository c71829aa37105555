"""How users write the values of a setting: layers, heads, gains, rows and tokens.

``layers`` reads layers and heads, such as ``"10-20"``; ``gains`` a strength for each head; ``rows``
which query rows are changed; ``tokens`` which keys.
"""
