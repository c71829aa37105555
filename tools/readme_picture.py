"""The README's picture: a clip of the embedded benchmark, and what the embedded model makes of it.

`python tools/readme_picture.py` runs the model and writes docs/assets/listening.png. The picture's
description, which the README repeats, stands in the file, so that a test can hold both against the
model.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mata_audio import MATA, answer_text, inputs_for, load, timeline
from mata_audio.pictures import style
from mata_audio.pictures.timeline import draw_waveform
from mata_audio.settings.colours import INK
from mata_audio.settings.named import BASELINE, NamedSetting
from mata_audio.tiny import TinyItem, make_items

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "listening.png"
ITEM = 155  # of the test split; that the clip gets louder can be seen
LAYERS = range(3, 8)
SETTING = NamedSetting("MATA", MATA(alpha=2, layers="3-7"))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """An answer, and how likely each answer's first token was."""

    text: str
    first: Floats
    token: int


@dataclass(frozen=True)
class Shown:
    """What the picture shows.

    Args:
        item: the question and its clip.
        waveform: the clip's samples, at 16 kHz.
        answers: by setting.
        edges: of the audio tokens, in seconds.
        attention: on each audio token in percent, mean over heads and :data:`LAYERS`, by setting.
    """

    item: TinyItem
    waveform: NDArray[np.float32]
    answers: dict[str, Answered]
    edges: Floats
    attention: dict[str, Floats]

    def likely(self, name: str, answer: str) -> float:
        """Return in percent how likely a setting's answer began as ``answer``'s answer did."""
        return 100 * float(self.answers[name].first[self.answers[answer].token])

    def description(self) -> str:
        """Return the picture in words."""
        before, after = (self.answers[name].text for name in (BASELINE, SETTING.name))
        was, is_now = (self.likely(own, SETTING.name) for own in (BASELINE, SETTING.name))
        return (
            f"A clip that gets louder. Asked “{self.item.question}”, the unmodified model answers "
            f"“{before}”, with MATA “{after}”, which is right: its probability rises from "
            f"{was:.0f} to {is_now:.0f} %. Below the waveform, the attention on the clip over time."
        )


def measured() -> Shown:
    """Ask the embedded model about the clip, without MATA and with it."""
    tiny = load("tiny", device="cpu")
    model: Any = tiny.model
    item = make_items("test", ITEM + 1)[ITEM]
    waveform = item.waveform()
    inputs = inputs_for(model, tiny.processor, item.question, waveform)
    answers = {}
    for name, method in ((BASELINE, None), (SETTING.name, SETTING.method)):
        with nullcontext() if method is None else method(model), torch.inference_mode():
            output = model.generate(
                **inputs, do_sample=False, output_logits=True, return_dict_in_generate=True
            )
        answers[name] = Answered(
            answer_text(tiny.processor, inputs, output),
            output.logits[0][0].double().softmax(dim=-1).numpy(),
            int(output.sequences[0, inputs["input_ids"].shape[1]]),
        )
    heard = timeline(model, inputs, len(waveform) / 16_000, SETTING)
    return Shown(
        item,
        waveform,
        answers,
        np.append(heard.starts, heard.ends[-1]),
        {name: 100 * own[list(LAYERS)].mean(axis=0) for name, own in heard.weights.items()},
    )


def drawn(shown: Shown) -> Any:
    """Return the picture as a Matplotlib figure: the clip and the attention on it, the answers."""
    with style.drawing():
        figure = style.new_figure(3.75, 8.0)
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=0.12, h_pad=0.1)  # the picture has an edge on a dark page
        panels = figure.subplot_mosaic(
            [["clip", "answers"], ["attention", "answers"]],
            width_ratios=[1.6, 1],
            height_ratios=[1, 1.25],
        )
        figure.suptitle(f"“{shown.item.question}”", x=0.015, ha="left", fontsize=12)
        note = (
            f"Embedded model, 1.5 million parameters; {SETTING.method!r}; attention: mean over "
            f"heads and layers {LAYERS[0]}-{LAYERS[-1]}"
        )
        figure.supxlabel(note, x=0.015, ha="left", fontsize=8.5, color=style.QUIET)
        clip, attention, answers = (panels[name] for name in ("clip", "attention", "answers"))
        draw_waveform(clip, shown.waveform, 16_000)
        clip.set_ylabel("clip")
        clip.set_yticks([])
        clip.set_title("The clip gets louder; the caption says the opposite", fontsize=10)
        _draw_attention(attention, shown)
        clip.sharex(attention)
        clip.tick_params(labelbottom=False)
        _draw_answers(answers, shown)
    return figure


def _draw_attention(axes: Any, shown: Shown) -> None:
    looks = (("-", 2.0), ((0, (3, 1.2)), 1.6))
    for place, (name, values) in reversed(list(enumerate(shown.attention.items()))):
        line, width = looks[place == 0]
        axes.stairs(
            values, shown.edges, baseline=None, color=style.colour_of(place), linestyle=line,
            linewidth=width, label="without MATA" if name == BASELINE else "with MATA",
        )  # fmt: skip
    axes.set_xlim(0, shown.edges[-1])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_ylabel("attention\n(% per token)")
    axes.set_xlabel("time in the clip (s)")
    axes.legend(loc="lower right", ncols=2, fontsize=9)


def _draw_answers(axes: Any, shown: Shown) -> None:
    """Draw how likely both answers were, under each setting."""
    names = (BASELINE, SETTING.name)
    titles = ("without MATA", "with MATA")
    for place, (name, title) in enumerate(zip(names, titles, strict=True)):
        top = 3.2 * place
        colour, text = style.colour_of(place), shown.answers[name].text
        verdict = "right" if text == shown.item.answer else "wrong"
        axes.text(0, top, f"{title}: “{text}”, {verdict}", fontsize=11.5, fontweight="bold",
                  color=colour, va="center")  # fmt: skip
        for row, own in enumerate(names, start=1):
            value, chosen = shown.likely(name, own), own == name
            axes.barh(top + 0.85 * row, value, height=0.62, color=colour if chosen else style.LINE)
            axes.text(value + 1, top + 0.85 * row, f"{shown.answers[own].text} {value:.0f} %",
                      va="center", fontsize=10, color=INK)  # fmt: skip
    axes.set_xlim(0, 75)
    axes.set_ylim(5.4, -0.6)
    axes.set_title("First word of the answer", fontsize=10, fontweight="normal")
    axes.axis("off")


def main() -> None:
    """Write the picture."""
    shown = measured()
    with style.drawing():
        drawn(shown).savefig(
            PICTURE, dpi=style.DPI, metadata={"Software": None, "Description": shown.description()}
        )
    print(f"{PICTURE.name}: {shown.description()}")


if __name__ == "__main__":
    main()
