"""Use MATA on your own model: register a SALMONN-like model with a prompt made of embeddings.

python examples/salmonn_like.py

As in SALMONN (Tang et al. 2024), two encoders process the sound: Whisper's and one for other
sounds. A Q-Former turns windows of both into a few embeddings, which go between the embeddings of
the text into a Llama decoder. No token id marks the audio, so the model records where it is. Here,
all weights are small and random.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    Blip2QFormerConfig,
    Blip2QFormerModel,
    LlamaConfig,
    LlamaForCausalLM,
    WhisperConfig,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mata_audio import MATA, register_family

WIDTH, MELS, FRAMES, QUERIES, WINDOW = 32, 16, 200, 2, 20


class SalmonnLike(nn.Module):
    """Whisper's encoder and another, a windowed Q-Former, and Llama."""

    def __init__(self) -> None:
        super().__init__()
        self.speech = WhisperEncoder(
            WhisperConfig(
                num_mel_bins=MELS,
                d_model=WIDTH,
                encoder_layers=1,
                encoder_attention_heads=2,
                encoder_ffn_dim=WIDTH,
                max_source_positions=FRAMES // 2,
            )
        )
        # In place of BEATs, which Transformers lacks; same number of states as from Whisper.
        self.sounds = nn.Sequential(
            nn.Conv1d(MELS, WIDTH, kernel_size=4, stride=2, padding=1), nn.GELU()
        )
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=WIDTH,
                encoder_hidden_size=2 * WIDTH,
            )
        )
        self.queries = nn.Parameter(torch.randn(1, QUERIES, WIDTH))
        self.to_llama = nn.Linear(WIDTH, 64)
        self.llama = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=128,
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=4,
                num_attention_heads=4,
                num_key_value_heads=2,
                initializer_range=0.08,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=None,
            )
        )
        self.audio_mask: Tensor | None = None

    def hear(self, features: Tensor) -> Tensor:
        """Mel features (batch, mels, frames) to embeddings (batch, audio tokens, 64)."""
        heard = torch.cat(
            [self.speech(features).last_hidden_state, self.sounds(features).transpose(1, 2)], dim=2
        )
        windows = heard.unflatten(1, (-1, WINDOW)).flatten(0, 1)
        queries = self.queries.expand(len(windows), -1, -1)
        found = self.qformer(query_embeds=queries, encoder_hidden_states=windows).last_hidden_state
        return self.to_llama(found.reshape(len(features), -1, WIDTH))

    def prompt(self, features: Tensor, before: Tensor, after: Tensor) -> dict[str, Tensor]:
        """Join text (batch, tokens), sound and text; record which embeddings are sound."""
        words = self.llama.get_input_embeddings()
        parts = [words(before), self.hear(features), words(after)]
        places = [torch.full(part.shape[:2], number == 1) for number, part in enumerate(parts)]
        self.audio_mask = torch.cat(places, dim=1)
        embeds = torch.cat(parts, dim=1)
        return {"inputs_embeds": embeds, "attention_mask": torch.ones(embeds.shape[:2]).long()}

    def generate(self, features: Tensor, before: Tensor, after: Tensor, **options: Any) -> Any:
        """Answer with Llama's ``generate``."""
        return self.llama.generate(**self.prompt(features, before, after), **options)


register_family(
    "SalmonnLike",  # the class of the model that is steered
    listener="llama",  # its part that reads the prompt
    decoder="model",  # the part of the listener that has the layers
    positions=lambda model: model.audio_mask,
)


def main() -> None:
    """Answer once unmodified and once with MATA."""
    torch.manual_seed(0)
    model = SalmonnLike().eval()
    features = torch.randn(1, MELS, FRAMES)
    before, after = torch.randint(5, 128, (1, 4)), torch.randint(5, 128, (1, 9))
    asked = {"features": features, "before": before, "after": after}
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False}
    print("baseline", model.generate(**asked, **options).tolist())
    with MATA(alpha=2.0, layers="1-2")(model) as applied:
        print("MATA    ", model.generate(**asked, **options).tolist())
    print(applied.receipt)


if __name__ == "__main__":
    main()
