"""The method: steering one model, from the formula for a score to the attachment.

Read the files in this order. Each imports only files above it, so nothing is used unexplained.

The mathematics, which imports nothing else of this package:

1. ``formulas``: how a row's scores or weights are changed; the paper's is ``(1 + gain) * score``.
2. ``attention``: attention of a few query rows, so changed.

Which rows, which keys and how much:

3. ``active_rows``: the changed query rows of one forward pass, the same in every sample or not.
4. ``prompt``: where a prompt's audio is, where it ends, and therefore which rows are active.
5. ``prompt_finder``: finding that in token ids and an attention mask.
6. ``masks``: which keys those rows may see.
7. ``gain_tensor``: from a setting to one gain for each layer, sample and head.

One layer in one forward pass:

8. ``backends``: which attention functions are known, and how a layer is rerouted around its own.
9. ``scaled_keys``: decoding at no cost, by scaling the cached audio keys once.
10. ``negative_scores``: counting the raw audio scores below zero, which ``multiply`` lowers.
11. ``forward_pass``: one forward pass, as the layers see it.
12. ``observation``: what an observer is shown of it.
13. ``layer``: one steered layer. The stock function computes every row, ours the active ones.

Which prompt a pass belongs to:

14. ``generate_call``: what a ``generate`` call is given.
15. ``reading``: the prompts that the model reads or has read.
16. ``cache_record``: what a cache holds, and noticing what other code did to it.
17. ``tracker``: generations, caches, turns, pieces: the prompt of each pass, or an error.

One model:

18. ``receipt``: what really happened.
19. ``turns``: calls from several threads take turns.
20. ``checkpointing``: layers that run again in the backward pass.
21. ``calls``: the model's own ``forward`` and ``generate``, with all of this around them.
22. ``attachment``: all of this on one model, and off again without a trace.
"""
