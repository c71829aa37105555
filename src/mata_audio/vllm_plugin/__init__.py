"""A plugin of vLLM, without a fork: every request may have its own setting.

vLLM calls :func:`register` in each of its processes. Read the files in this order:

1. ``versions``: the versions of vLLM that are known.
2. ``engine``: what an engine was started with, and whether it can be steered.
3. ``request``: what one request asks for, checked where requests come in.
4. ``hooks``: the three functions of vLLM that are wrapped.
5. ``step``: which rows of one step of the engine are active.
6. ``paged``: the keys and values of some requests, from the paged cache.
7. ``layer``: one steered layer: vLLM's kernel computes every row, ours the active ones.
8. ``worker``: the worker that puts these together.
"""

from __future__ import annotations


def register() -> None:
    """Install the plugin's hooks in this process: the entry point that vLLM calls."""
    from mata_audio.vllm_plugin.hooks import install

    install()
