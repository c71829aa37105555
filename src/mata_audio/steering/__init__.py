"""The method: steering one model, from the formula for a score to the attachment.

Read the files in this order. Each imports only files above it, so nothing is used unexplained.

The mathematics, which imports nothing else of this package:

1. ``formulas``: how a row's scores or weights are changed; the paper's is ``(1 + gain) * score``.
2. ``attention``: attention of a few query rows, so changed.

Which rows, which keys and how much:

3. ``active_rows``: the changed query rows of one forward pass, the same in every sample or not.
4. ``prompt``: where a prompt's audio is, where it ends, and therefore which rows are active.
5. ``token_kinds``: which tokens are words of whom, which are special.
6. ``key_kinds``: finding the keys of such a kind, or of a span that the caller marked.
7. ``prompt_finder``: finding all that in token ids and an attention mask.
8. ``masks``: which keys those rows may see.
9. ``gain_tensor``: from a setting to one gain for each layer, sample and head.

One layer in one forward pass:

10. ``backends``: which attention functions are known, and how a layer is rerouted around its own.
11. ``scaled_keys``: decoding at no cost, by scaling the cached audio keys once.
12. ``negative_scores``: counting the raw audio scores below zero, which ``multiply`` lowers.
13. ``forward_pass``: one forward pass, as the layers see it.
14. ``observation``: what an observer is shown of it.
15. ``layer``: one steered layer. The stock function computes every row, ours the active ones.

Which prompt a pass belongs to:

16. ``generate_call``: what a ``generate`` call is given.
17. ``reading``: the prompts that the model reads or has read.
18. ``cache_record``: what a cache holds, and noticing what other code did to it.
19. ``tracker``: generations, caches, turns, pieces: the prompt of each pass, or an error.

One model:

20. ``receipt``: what really happened.
21. ``turns``: calls from several threads take turns.
22. ``checkpointing``: layers that run again in the backward pass.
23. ``calls``: the model's own ``forward`` and ``generate``, with all of this around them.
24. ``attachment``: all of this on one model, and off again without a trace.
"""
