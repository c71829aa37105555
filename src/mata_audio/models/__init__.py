"""Models and their inputs: loading a model, reading clips, writing prompts, generating answers.

``on_disk`` says what there is of a model. ``finding`` and ``loading`` go from a name to a model and
its processor, with ``sound_adapter`` and ``load_errors``. ``audio`` reads clips; ``prompter`` and
``chat_template`` write prompts. ``one_prefill`` generates answers for several settings that share
one prefill, with ``caches``.
"""
