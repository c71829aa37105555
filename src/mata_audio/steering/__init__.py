"""The method: a steered model, from the formula to the attachment.

Read the files in this order:

1. ``formulas``: how one raw score is changed. The whole of MATA is ``(1 + gain) * score``.
2. ``attention``: attention of a few query rows, with changed scores.
3. ``prompt``: where a prompt's audio lies, where it ends, which of its rows are active.
4. ``active_rows``: the active rows of one forward pass, the same in every sample or not.
5. ``masks``: which keys an active row may see.
6. ``gain_tensor``: from a setting to one gain for each layer, sample and head.
7. ``layer``: one steered layer. The stock function computes every row, ours the active ones.
8. ``scaled_keys``: decoding at no cost: cached audio keys scaled once.
9. ``backends``: how a layer's attention is rerouted, and how the stock function is called.
10. ``forward_pass``: one forward pass, as the layers see it.
11. ``tracker``: which prompt each pass belongs to: generate, caches, turns, pieces.
12. ``attachment``: all of this on one model, and off again without a trace.
13. ``receipt``, ``negative_share``, ``observation``: what happened, counted and shown.

The first two files import nothing else of this package.
"""
