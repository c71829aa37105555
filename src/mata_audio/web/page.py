"""The page itself: Gradio's controls, and the listening view beside them."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mata_audio.errors import MataError, SettingsError, one_line
from mata_audio.listening_view import script
from mata_audio.methods import Method
from mata_audio.settings.embedded import BEST as BEST_HERE
from mata_audio.steering.formulas import FORMULAS
from mata_audio.web.examples import BEST, EXAMPLE_BY_NAME, EXAMPLES
from mata_audio.web.listening import Listening
from mata_audio.web.starting_points import (
    CONTROLLED,
    StartingPoint,
    controlled,
    controls_of,
    from_file,
)
from mata_audio.web.visits import Visit, Visits

Updates = dict[Any, Any]
"""New values by component; the others stay as they are."""

LOG = logging.getLogger(__name__)

MOST = 4000
"""Characters of a question, and of its choices."""

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

_SAVE = """
(page) => {
  if (!page) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  link.download = "listening.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
"""

CSS = """
.gradio-container { max-width: 90rem !important; margin: 0 auto !important; }
#said { min-height: 1.5rem; }
#said .wrap { overflow: visible; }
#said .progress-text { position: absolute; inset: 0 0 auto auto; transform: none; z-index: 1; }
#own-clip .wrap { min-height: 7rem; }
#said p { margin: 0; }
#said .wrong { color: light-dark(#a3310a, #f0a45c); font-weight: 600; }
.dark #said { color-scheme: dark; }
"""


def build_page(listening: Listening, points: dict[str, StartingPoint], visits: Visits) -> gr.Blocks:
    """Return the page.

    Args:
        listening: what it does.
        points: settings to start from, by name, the first one first.
        visits: what it holds for each tab.
    """
    return _Page(listening, points, visits).blocks


class _Page:
    """The controls and what they call; each call belongs to one tab."""

    def __init__(
        self, listening: Listening, points: dict[str, StartingPoint], visits: Visits
    ) -> None:
        self._listening = listening
        self._points = points
        self._visits = visits
        with gr.Blocks(
            title="MATA: where the model listens", analytics_enabled=False, delete_cache=(60, 300)
        ) as self.blocks:
            self._lay_out()
            self._connect()

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
                self.question = gr.Textbox(label="Question", lines=2, max_lines=6, max_length=MOST)
                self.choices = gr.Textbox(
                    label="Choices, one a line (may be empty)",
                    lines=2,
                    max_lines=8,
                    max_length=4000,
                )
                self.ask = gr.Button("Ask", variant="primary")
                with gr.Row():
                    self.file = gr.UploadButton(
                        "Open a setting file", file_types=[".json"], size="sm", min_width=140
                    )
                    self.save = gr.Button("Save as a page", size="sm", min_width=140)
            with gr.Column(scale=7, min_width=320):
                self._lay_out_setting()
                self.status = gr.HTML(_said("Loading …"), elem_id="said")
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
        first = next(iter(self._points.values()))
        values = controls_of(first.method)

        def given(name: str) -> dict[str, Any]:
            return {"value": values.get(name), "visible": name in values, "min_width": 130}

        with gr.Group():
            with gr.Row():
                self.point = gr.Dropdown(
                    list(self._points), value=first.name, label="Setting", min_width=260
                )
                alpha = gr.Slider(0, 4, step=0.05, label="alpha: how much more", **given("alpha"))
            with gr.Row():
                self.controls = {  # in the order of CONTROLLED
                    "alpha": alpha,
                    "layers": gr.Textbox(label="Layers: 3-7, 10, paper", **given("layers")),
                    "heads": gr.Textbox(label="Heads: 0-3, all", **given("heads")),
                    "formula": gr.Dropdown(list(FORMULAS), label="Formula", **given("formula")),
                    "rows": gr.Textbox(label="Rows: last, all, last-8", **given("rows")),
                }

    def _connect(self) -> None:
        """Connect controls to actions. All that runs the model waits in one queue."""
        setting = [self.point, *self.controls.values()]
        asked = [self.question, self.choices, *setting]
        shown = [self.status, self.view]
        model: dict[str, Any] = {
            "concurrency_id": "model", "concurrency_limit": 1, "show_progress": "minimal",
            "show_progress_on": self.status, "api_visibility": "private",
        }  # fmt: skip
        plain: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        latest = {**model, "trigger_mode": "always_last"}

        self.blocks.load(self._call(self._start), None, [*shown, *asked], **model)
        self.example.input(self._call(self._take_example), self.example, [*shown, *asked], **model)
        clips = [self.audio.upload, self.audio.stop_recording]
        take = self._call(self._take_clip)
        gr.on(clips, take, [self.audio, *asked], [*shown, self.audio, self.example], **model)
        ask = self._call(self._ask)
        gr.on(
            [self.ask.click, self.question.submit, self.choices.submit], ask, asked, shown, **latest
        )
        for name, control in self.controls.items():
            picked = name in ("alpha", "formula")
            gr.on([control.input] if picked else [control.submit], ask, asked, shown, **latest)
        self.point.input(self._call(self._start_from), asked, [*shown, *setting], **latest)
        self.file.upload(
            self._call(self._open_file), [self.file, *asked], [*shown, *setting], **model
        )
        self.view.choose(self._call(self._choose, told=True), None, shown, **plain)
        self.view.silence(self._call(self._silence, told=True), None, shown, **model)
        self.view.restore(self._call(self._restore), None, shown, **plain)
        self.save.click(self._call(self._save), None, [self.status, self.saved], **plain).then(
            None, self.saved, None, js=_SAVE
        )
        self.blocks.unload(self._end)

    def _call(self, act: Callable[..., Updates], told: bool = False) -> Callable[..., Updates]:
        """Return what Gradio calls: it gives an action the tab's visit, and shows its errors.

        Args:
            act: an action.
            told: whether the view tells it something.
        """

        def call(tab: gr.Request, *given: Any) -> Updates:
            try:
                return act(self._visits.of(str(tab.session_hash)), *given)
            except MataError as error:
                return {self.status: _wrong(str(error))}
            except Exception as error:
                LOG.exception("the page could not do what it was asked")
                return {self.status: _wrong(f"unexpected: {one_line(error)}. The page goes on.")}

        def call_told(tab: gr.Request, event: gr.EventData) -> Updates:
            return call(tab, event._data)

        return call_told if told else call

    # Actions.

    def _start(self, visit: Visit) -> Updates:
        return self._take_example(visit, EXAMPLES[0].name)

    def _take_example(self, visit: Visit, name: str) -> Updates:
        example = EXAMPLE_BY_NAME[name]
        said = self._listening.take_example(visit, example)
        point = next(iter(self._points.values()))
        if example.setting == BEST:
            point = next((own for own in self._points.values() if own.method == BEST_HERE), point)
        item = example.item
        data = self._listening.ask(visit, item.question, item.choices, point.method)
        return {
            self.status: _said(said),
            self.view: gr.HTML(value=data, clip=visit.shown),
            self.question: item.question,
            self.choices: "\n".join(item.choices),
            **self._filled(visit, point),
        }

    def _take_clip(self, visit: Visit, path: str | None, *asked: Any) -> Updates:
        if path is None:
            return {}
        try:
            said = self._listening.take_file(visit, Path(path))
        except MataError as error:
            return {self.status: _wrong(str(error)), self.audio: None}
        finally:
            Path(path).unlink(missing_ok=True)  # what was read is enough
        given = {self.audio: None, self.example: None}
        if not str(asked[0]).strip():
            return {**given, self.status: _said(f"{said}. Now ask a question about it.")}
        return {**given, **self._ask(visit, *asked, said=said)}

    def _ask(
        self, visit: Visit, question: str, choices: str, *setting: Any, said: str = ""
    ) -> Updates:
        return self._answer(visit, question, choices, self._method(visit, *setting), said)

    def _answer(
        self, visit: Visit, question: str, choices: str, method: Method, said: str = ""
    ) -> Updates:
        listed = [own.strip() for own in choices.splitlines() if own.strip()]
        data = self._listening.ask(visit, question, listed, method)
        seconds = sum(own.seconds for own in visit.steered.values())
        return {
            self.status: _said(said or f"answered in {seconds:.2f} s"),
            self.view: gr.HTML(value=data, clip=visit.shown),
        }

    def _start_from(self, visit: Visit, question: str, choices: str, name: str, *_: Any) -> Updates:
        point = self._points_of(visit)[name]
        said = f"{point.name} ({point.origin})"
        return {
            **self._answer(visit, question, choices, point.method, said),
            **self._filled(visit, point),
        }

    def _open_file(self, visit: Visit, path: str, *asked: Any) -> Updates:
        file = Path(path)
        try:
            point = from_file(self._listening.asker.loaded, file)
        finally:
            file.unlink(missing_ok=True)
        visit.points[point.name] = point
        return self._start_from(visit, asked[0], asked[1], point.name)

    def _choose(self, visit: Visit, told: Any) -> Updates:
        told = told if isinstance(told, dict) else {}
        data = self._listening.choose(visit, told.get("layers"), told.get("heads"))
        return {self.view: gr.HTML(value=data)}

    def _silence(self, visit: Visit, told: Any) -> Updates:
        told = told if isinstance(told, dict) else {}
        start, end = told.get("start"), told.get("end")
        if not (isinstance(start, (int, float)) and isinstance(end, (int, float))):
            raise SettingsError("mark a stretch first: drag on the timeline, or write its seconds")
        data = self._listening.silence(visit, float(start), float(end))
        return {
            self.status: _said(f"asked again with {start:.2f} to {end:.2f} s silent"),
            self.view: gr.HTML(value=data),
        }

    def _restore(self, visit: Visit) -> Updates:
        if visit.silenced is None:
            raise SettingsError("nothing is silenced")
        visit.forget_silence()
        data = self._listening.view(visit)
        return {self.status: _said("the whole clip is heard"), self.view: gr.HTML(value=data)}

    def _save(self, visit: Visit) -> Updates:
        page = self._listening.page(visit)
        return {self.status: _said("saved as listening.html"), self.saved: page}

    def _end(self, tab: gr.Request) -> None:
        self._visits.end(str(tab.session_hash))

    # Settings.

    def _points_of(self, visit: Visit) -> dict[str, StartingPoint]:
        return {**self._points, **visit.points}

    def _method(self, visit: Visit, name: str, *values: Any) -> Method:
        method = self._points_of(visit)[name].method
        return controlled(method, dict(zip(CONTROLLED, values, strict=True)))

    def _filled(self, visit: Visit, point: StartingPoint) -> Updates:
        """Return updates that show a starting point in the controls."""
        values = controls_of(point.method)
        updates: Updates = {
            self.point: gr.Dropdown(value=point.name, choices=list(self._points_of(visit)))
        }
        for name, control in self.controls.items():
            if name not in values:
                updates[control] = gr.update(visible=False)
            elif name == "alpha":
                most = max(4.0, 2 * abs(values[name]))
                updates[control] = gr.Slider(visible=True, value=values[name], maximum=most)
            else:
                updates[control] = gr.update(visible=True, value=values[name])
        return updates


def _said(text: str) -> str:
    return f"<p role='status'>{html.escape(text)}</p>"


def _wrong(text: str) -> str:
    return f"<p role='alert' class='wrong'>{html.escape(text)}</p>"
