"""The method: steering one model, from the formula for a score to the attachment.

Read the files in this order. Each imports only files above it, so nothing is used unexplained.

The mathematics, which imports nothing else of this package:

1. ``formulas``: how one raw score is changed; the paper's is ``(1 + gain) * score``.
2. ``attention``: attention of a few query rows with changed scores.

Which rows, which keys and how much:

3. ``active_rows``: the changed query rows of one forward pass, the same in every sample or not.
4. ``prompt``: where a prompt's audio is, where it ends, and therefore which rows are active.
5. ``masks``: which keys those rows may see.
6. ``gain_tensor``: from a setting to one gain for each layer, sample and head.

One layer in one forward pass:

7. ``backends``: how a layer's attention is rerouted, and how the stock function is called.
8. ``scaled_keys``: decoding at no cost, by scaling the cached audio keys once.
9. ``negative_scores``: counting the raw audio scores below zero, which ``multiply`` lowers.
10. ``forward_pass``: one forward pass, as the layers see it.
11. ``observation``: what an observer is shown of it.
12. ``layer``: one steered layer. The stock function computes every row, ours the active ones.

One model:

13. ``tracker``: which prompt each pass belongs to: generate, caches, turns, pieces.
14. ``receipt``: what really happened.
15. ``attachment``: all of this on one model, and off again without a trace.
"""
