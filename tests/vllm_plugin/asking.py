"""Questions that both vLLM and Transformers are asked, and how an engine is started."""

from __future__ import annotations

from dataclasses import dataclass

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
ENGINE = {
    "dtype": "float32",
    "enforce_eager": True,
    "max_model_len": 512,
    "block_size": 32,
    "max_num_seqs": 8,
    "disable_log_stats": False,
    "limit_mm_per_prompt": {"audio": 2},
}
CLIP = "<|audio_bos|><|AUDIO|><|audio_eos|>"


@dataclass(frozen=True)
class Question:
    """A question to both.

    Args:
        text: the prompt.
        clips: seed and number of samples of each clip.
        setting: in words; None for the engine's.
        tokens: length of the answer.
    """

    text: str
    clips: tuple[tuple[int, int], ...] = ()
    setting: str | None = None
    tokens: int = 8


def question(
    number: int, setting: str | None = None, clips: int = 1, words: int = 6, tokens: int = 8
) -> Question:
    """Return a question about clips; each number has other words, lengths and sounds."""
    body = " ".join(f"w{5 + (7 * number + 3 * i) % 80}" for i in range(words))
    sounds = tuple((10 * number + i, 6000 + 1500 * number + 900 * i) for i in range(clips))
    return Question(f"w5 w6 {CLIP * clips} {body}", sounds, setting, tokens)
