"""Tokenizer, processor and untrained model of the embedded audio language model."""

import math
import re

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioEncoderConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2Config,
    WhisperFeatureExtractor,
)

from mata_audio.tiny.benchmark import MAX_SECONDS
from mata_audio.tiny.signals import SAMPLE_RATE
from mata_audio.tiny.tasks import TASKS

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|AUDIO|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<|im_start|>",
    "<|im_end|>",
    "<unk>",
)
SYSTEM_PROMPT = "You are a helpful assistant."
CHOICES_PROMPT = "Please choose the answer from the following options:"
TEMPLATE_WORDS = "system user assistant caption"
PUNCTUATION = ". , : ; ? ! ' \" ( ) [ ] -"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'audio' or 'audio' in part or 'audio_url' in part %}"
    "<|audio_bos|><|AUDIO|><|audio_eos|>\n"
    "{% elif 'text' in part %}{{ part['text'] }}\n{% endif %}"
    "{% endfor %}{% endif %}"
    "<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

LAYERS = 12
WIDTH = 96
MELS = 80
HOP = 320


def vocabulary() -> list[str]:
    """Special tokens, punctuation, then every word of the training text; the index is the id."""
    sentences = [SYSTEM_PROMPT, CHOICES_PROMPT, TEMPLATE_WORDS]
    for task in TASKS:
        sentences += [*task.questions, *task.answers]
        sentences += [phrase for phrases in task.captions.values() for phrase in phrases]
    words = {word for sentence in sentences for word in re.findall(r"\w+", sentence.lower())}
    return [*SPECIAL_TOKENS, *PUNCTUATION.split(), *sorted(words)]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Word-level tokenizer: lower case, split at spaces and at each punctuation mark."""
    ids = {word: index for index, word in enumerate(vocabulary())}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=[
            token
            for token in SPECIAL_TOKENS
            if token not in ("<unk>", "<|endoftext|>", "<|im_end|>")
        ],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_processor() -> Qwen2AudioProcessor:
    """Feature extractor for two seconds (25 audio tokens), tokenizer and chat template."""
    extractor = WhisperFeatureExtractor(
        feature_size=MELS,
        sampling_rate=SAMPLE_RATE,
        hop_length=HOP,
        chunk_length=int(MAX_SECONDS),
        n_fft=1024,
        return_attention_mask=True,
    )
    return Qwen2AudioProcessor(
        feature_extractor=extractor, tokenizer=build_tokenizer(), chat_template=CHAT_TEMPLATE
    )


def sinusoids(length: int, width: int) -> torch.Tensor:
    """Whisper's fixed position embeddings, shape (length, width)."""
    step = math.log(10_000) / (width // 2 - 1)
    rates = torch.exp(-step * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def build_model(
    processor: Qwen2AudioProcessor, seed: int, layers: int = LAYERS
) -> Qwen2AudioForConditionalGeneration:
    """Qwen2-Audio with three encoder layers and ``layers`` decoder layers, random weights."""
    tokenizer = processor.tokenizer
    frames = processor.feature_extractor.nb_max_frames
    torch.manual_seed(seed)
    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=MELS,
        encoder_layers=3,
        encoder_attention_heads=4,
        encoder_ffn_dim=3 * WIDTH,
        d_model=WIDTH,
        max_source_positions=frames // 2,
    )
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=5 * WIDTH // 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = Qwen2AudioConfig(
        audio_config=audio,
        text_config=text,
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    model.set_attn_implementation("eager")
    model.model.audio_tower.embed_positions.weight.data.copy_(sinusoids(frames // 2, WIDTH))
    model.generation_config = GenerationConfig(
        max_new_tokens=8,
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model
