"""``mata doctor``: measure whether MATA is exact on a given model and machine.

Read the files in this order:

1. ``check``: the result of one check, and the report of all of them.
2. ``examine``: all checks, in order. To add a check, write a function and list it here.
3. ``patient``: what is examined: a model, with prompts.
4. ``questions``: prompts for a user's model, from synthesised clips or pictures.
5. ``full_scores``: the reference: MATA written out in full, sharing no code with the method.
6. ``passes``: run a model on its prompts, unmodified or with the full scores.
7. ``trial_setting``: a setting with a clear effect, and the bound on differences.
8. The checks: ``facts``, ``equality`` (with the reference), ``ways`` (backends, padding, cache,
   beams), ``restoration``, ``overhead``.
9. ``small_models``: a small random model of every family.
10. ``all_families``: the same examination of each small model.
"""
