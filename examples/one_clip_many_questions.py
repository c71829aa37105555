"""Read a clip once and ask many questions about it, each answered exactly as if asked by itself.

python examples/one_clip_many_questions.py [MODEL]

MATA changes the row of the last prompt token and of those after it. The clip comes before the
question, so its part of the prompt is the same with MATA and without: read it once, before the
block, and let each question continue from that cache. Read inside the block, the last token of that
part would be taken for the end of a prompt and steered; the package refuses such a cache.

MODEL is any model that hears audio. The default is the embedded one, which was trained with the
question before the clip, so here its answers only show that this works. If you need no loop of your
own, ``mata_audio.asking.Asker`` does the same for you.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mata_audio import load, setting_for
from mata_audio.families import PromptStyle
from mata_audio.methods import Method
from mata_audio.models.placing import placed
from mata_audio.models.prompter import Prompter
from mata_audio.tiny import make_items

QUESTIONS = (
    "Which sound is this?",
    "How many beeps do you hear?",
    "Does the sound get louder or quieter?",
)


def common_start(prompts: list[Tensor]) -> int:
    """Return how many tokens all prompts, shape ``(1, tokens)``, begin with; never a whole one."""
    most = min(prompt.shape[1] for prompt in prompts) - 1
    alike = torch.stack([(prompt[0, :most] == prompts[0][0, :most]) for prompt in prompts])
    return int(alike.all(dim=0).cumprod(dim=0).sum())


def ask(
    model: Any, prompts: list[dict[str, Tensor]], method: Method, **options: Any
) -> list[Tensor]:
    """Return the answers to prompts about one clip, as token ids; the clip is read once.

    Args:
        model: a supported model, not steered.
        prompts: model inputs of one prompt each, which begin alike.
        method: the setting.
        options: for ``generate``.
    """
    start = common_start([prompt["input_ids"] for prompt in prompts])
    clip = dict(prompts[0])
    for name in ("input_ids", "attention_mask"):
        clip[name] = clip[name][:, :start]
    with torch.inference_mode():
        cache = model(**clip, use_cache=True).past_key_values  # before the block: not steered
    answers = []
    with method(model), torch.inference_mode():
        for prompt in prompts:
            ids = prompt["input_ids"]
            written = model.generate(
                input_ids=ids,
                attention_mask=prompt["attention_mask"],
                past_key_values=cache,
                **options,
            )
            answers.append(written[0, ids.shape[1] :])
            cache.crop(start - cache.get_seq_length())  # keep the clip, drop this question
    return answers


def main(name: str = "tiny") -> None:
    """Ask three questions about one clip of the embedded benchmark."""
    loaded = load(name)
    prompter = replace(Prompter.of(loaded), style=PromptStyle(audio_first=True))
    clip = make_items("test", 1)[0].clip.waveform()
    prompts = [
        placed([prompter.inputs([question], [[clip]])], loaded.model) for question in QUESTIONS
    ]
    answers = ask(loaded.model, prompts, setting_for(name), do_sample=False, max_new_tokens=8)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        said = loaded.processor.tokenizer.decode(answer, skip_special_tokens=True)
        print(f"{question}  {said.strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
