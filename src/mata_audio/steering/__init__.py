"""The method: steering one model, from the formula for a score to the attachment.

Read the files in this order. Each imports only files above it, so nothing is used unexplained.

The mathematics, which imports nothing else of this package:

1. ``formulas``: how a row's scores or weights are changed; the paper's is ``(1 + gain) * score``.
2. ``rule``: what a method does, as data: changes, views of a prompt, a first look.
3. ``attention``: attention of a few query rows, so changed.

Which rows, which keys and how much:

4. ``active_rows``: the changed query rows of one forward pass, the same in every sample or not.
5. ``prompt``: where a prompt's audio is, where it ends, and therefore which rows are active.
6. ``token_kinds``: which tokens are words of whom, which are special.
7. ``key_kinds``: finding the keys of such a kind, or of a span that the caller marked.
8. ``prompt_finder``: finding all that in token ids and an attention mask.
9. ``masks``: which keys those rows may see.
10. ``gain_tensor``: from a setting to one gain for each layer, sample and head.

One layer in one forward pass:

11. ``backends``: which attention functions are known, and how a layer is rerouted around its own.
12. ``scaled_keys``: decoding at no cost, by scaling the cached audio keys once.
13. ``listening``: counting how rows listen: audio mass, and raw scores that ``multiply`` lowers.
14. ``forward_pass``: one forward pass, as the layers see it.
15. ``layer_gains``: the gains of all layers, given to the keys of a pass at once.
16. ``observation``: what an observer is shown of it.
17. ``audio_share``: how much of the last layers' attention goes to audio.
18. ``layer``: one steered layer. The stock function computes every row, ours the active ones.

Which prompt a pass belongs to:

19. ``generate_call``: what a ``generate`` call is given.
20. ``reading``: the prompts that the model reads or has read.
21. ``cache_record``: what a cache holds, and noticing what other code did to it.
22. ``tracker``: generations, caches, turns, pieces: the prompt of each pass, or an error.

One model:

23. ``receipt``: what really happened.
24. ``split_pass``: a forward pass's first rows, run once, and its last ones, for every view.
25. ``other_prompt``: a second prompt, answered beside the first to compare their logits.
26. ``views``: the last rows of a prompt, read under several views at once.
27. ``turns``: calls from several threads take turns.
28. ``checkpointing``: layers that run again in the backward pass.
29. ``calls``: the model's own ``forward`` and ``generate``, with all of this around them.
30. ``attachment``: all of this on one model, and off again without a trace.
31. ``by_rule``: from rules to an attachment, with a rule for each row of a batch.
"""
