"""The keys and values of some requests, copied out of vLLM's paged cache.

On a GPU a layer's cache is ``(blocks, key_heads, block_size, 2 * head_dim)``, however it lies in
memory: keys, then values. The CPU's kernels pack the keys of a block, and its values, each in an
order of their own, which is found out by writing numbers and looking where they went.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from mata_audio.errors import UnsupportedModelError

_DIGITS = 128
"""Whole numbers below it are exact in every type that a cache has."""


def keys_and_values(cache: Tensor, blocks: Tensor, packing: str | None) -> tuple[Tensor, Tensor]:
    """Return keys and values, each ``(requests, key_heads, blocks x block_size, head_dim)``.

    Args:
        cache: of a layer, ``(all blocks, key_heads, block_size, 2 * head_dim)``.
        blocks: numbers of the requests' blocks, ``(requests, blocks)``.
        packing: the CPU kernels' instruction set; None on other devices.
    """
    heads, size, both = cache.shape[1:]
    found = cache[blocks]
    if packing is not None:
        flat = found.flatten(-2).unflatten(-1, (2, -1))
        places = _places(packing, size, both // 2, cache.dtype)
        key, value = (
            flat[..., part, place].unflatten(-1, (size, both // 2))
            for part, place in enumerate(places)
        )
        found = torch.cat((key, value), dim=-1)
    found = found.transpose(1, 2).reshape(len(blocks), heads, -1, both)
    key, value = found.split(both // 2, dim=-1)
    return key, value


@lru_cache
def _places(packing: str, size: int, head_dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return where each number of a block's keys, and of its values, lies in it.

    Each has ``size * head_dim`` numbers, in the order ``(block_size, head_dim)``.

    Raises:
        UnsupportedModelError: they are not all there.
    """
    count = size * head_dim
    numbers = torch.arange(count)
    found, digit = torch.zeros(2, count, dtype=torch.long), 1
    while digit < count:
        digits = numbers // digit % _DIGITS
        found += digit * _packed(digits, packing, size, head_dim, dtype).long()
        digit *= _DIGITS
    if not all(torch.equal(own.sort().values, numbers) for own in found):
        raise UnsupportedModelError(
            f"the CPU's cache cannot be read (packed for {packing}, blocks of {size} x {head_dim})"
        )
    key, value = found.argsort(dim=-1).unbind()
    return key, value


def _packed(numbers: Tensor, packing: str, size: int, head_dim: int, dtype: torch.dtype) -> Tensor:
    """Write a block whose keys and values are these numbers; return its parts, ``(2, numbers)``."""
    from vllm import _custom_ops as operations

    block = torch.zeros(1, 1, 2 * size, head_dim, dtype=dtype)
    key_cache, value_cache = block.chunk(2, dim=2)
    tokens = numbers.to(dtype).view(size, 1, head_dim)
    operations.cpu_attn_reshape_and_cache(
        tokens, tokens, key_cache, value_cache, torch.arange(size), packing
    )
    return block.view(2, -1).float()
