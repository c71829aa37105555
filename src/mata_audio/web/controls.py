"""The page's controls: Gradio's own, in two columns, and the listening view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gradio as gr

from mata_audio.listening_view import script
from mata_audio.steering.formulas import FORMULAS
from mata_audio.web.examples import EXAMPLES
from mata_audio.web.starting_points import StartingPoint, controls_of
from mata_audio.web.status import said

MOST_CHARACTERS = 4000
"""Of a question, and of its choices."""

MOST_ALPHA = 4.0
"""End of the slider, unless a setting has more."""

TITLE = "Where does the model listen?"
INTRODUCTION = (
    "<p>MATA makes an audio language model attend more to the sound, at inference and without "
    "training. Ask about a clip, compare the answers, click a word, move alpha.</p>"
)

_MOUNT = """
// It triggers 'choose', 'silence' and 'restore'.
const listening = ListeningView.mount(element.querySelector(".listening-host"), {
  scheme: "class",
  silences: true,
  onEvent: (name, detail) => name !== "mark" && trigger(name, detail ?? {}),
});
const show = () => {
  if (props.value && props.clip) listening.update({ ...props.value, clip: props.clip });
  element.querySelector(".listening-host").hidden = !(props.value && props.clip);
};
watch(["value", "clip"], show);
show();
"""


class Controls:
    """Lays out the controls, inside Gradio's blocks.

    Args:
        points: settings to start from, the first one chosen.
    """

    def __init__(self, points: Iterable[StartingPoint]) -> None:
        self._points = list(points)
        self._lay_out()

    @property
    def setting(self) -> list[Any]:
        """The starting point, and what moves it, in the order of ``CONTROLLED``."""
        return [self.point, *self.moved.values()]

    def start_from(self, point: StartingPoint, names: Iterable[str]) -> dict[Any, Any]:
        """Return updates that show a setting to start from.

        Args:
            point: the setting.
            names: all settings that there are to start from.
        """
        values = controls_of(point.method)
        updates: dict[Any, Any] = {self.point: gr.Dropdown(value=point.name, choices=list(names))}
        for name, control in self.moved.items():
            if name not in values:
                updates[control] = gr.update(visible=False)
            elif name == "alpha":
                most = max(MOST_ALPHA, 2 * abs(values[name]))
                updates[control] = gr.Slider(visible=True, value=values[name], maximum=most)
            else:
                updates[control] = gr.update(visible=True, value=values[name])
        return updates

    def _lay_out(self) -> None:
        gr.HTML(f"<h1>{TITLE}</h1>{INTRODUCTION}")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=320):
                self.example = gr.Dropdown(
                    [own.name for own in EXAMPLES],
                    value=EXAMPLES[0].name,
                    label="Example",
                    info="made by this package; named for what the embedded model does",
                )
                self.audio = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Or your own clip",
                    elem_id="own-clip",
                )
                self.question = gr.Textbox(
                    label="Question", lines=2, max_lines=6, max_length=MOST_CHARACTERS
                )
                self.choices = gr.Textbox(
                    label="Choices, one a line (may be empty)",
                    lines=2,
                    max_lines=8,
                    max_length=MOST_CHARACTERS,
                )
                self.ask = gr.Button("Ask", variant="primary")
                with gr.Row():
                    self.file = gr.UploadButton(
                        "Open a setting file", file_types=[".json"], size="sm", min_width=140
                    )
                    self.save = gr.Button("Save as a page", size="sm", min_width=140)
            with gr.Column(scale=7, min_width=320):
                self._lay_out_setting()
                self.status = gr.HTML(said("Loading …"), elem_id="said")
                self.view = gr.HTML(
                    None,
                    html_template="<div class='listening-host' hidden></div>",
                    js_on_load=f"{script()}\n{_MOUNT}",
                    apply_default_css=False,
                    elem_id="listening",
                    clip=None,
                )
                self.saved = gr.Textbox(visible="hidden")  # where the script that saves finds it

    def _lay_out_setting(self) -> None:
        first = self._points[0]
        values = controls_of(first.method)

        def given(name: str) -> dict[str, Any]:
            return {"value": values.get(name), "visible": name in values, "min_width": 130}

        with gr.Group():
            with gr.Row():
                self.point = gr.Dropdown(
                    [own.name for own in self._points],
                    value=first.name,
                    label="Setting",
                    min_width=260,
                )
                alpha = gr.Slider(
                    0, MOST_ALPHA, step=0.05, label="alpha: how much more", **given("alpha")
                )
            with gr.Row():
                self.moved = {  # in the order of CONTROLLED
                    "alpha": alpha,
                    "layers": gr.Textbox(label="Layers: 3-7, 10, paper", **given("layers")),
                    "heads": gr.Textbox(label="Heads: 0-3, all", **given("heads")),
                    "formula": gr.Dropdown(list(FORMULAS), label="Formula", **given("formula")),
                    "rows": gr.Textbox(label="Rows: last, all, last-8", **given("rows")),
                }
