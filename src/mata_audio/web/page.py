"""The page itself: Gradio's controls, and the listening view beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mata_audio.errors import MataError, SettingsError, one_line
from mata_audio.methods import Method
from mata_audio.settings.embedded import BEST as BEST_HERE
from mata_audio.web.controls import Controls
from mata_audio.web.examples import BEST, EXAMPLE_BY_NAME, EXAMPLES
from mata_audio.web.listening import Listening
from mata_audio.web.starting_points import CONTROLLED, StartingPoint, controlled, from_file
from mata_audio.web.status import said, wrong
from mata_audio.web.visits import Visit, Visits

Updates = dict[Any, Any]
"""New values by component; the others stay as they are."""

LOG = logging.getLogger(__name__)

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
    """What the controls do; each call belongs to one tab."""

    def __init__(
        self, listening: Listening, points: dict[str, StartingPoint], visits: Visits
    ) -> None:
        self._listening = listening
        self._points = points
        self._visits = visits
        with gr.Blocks(
            title="MATA: where the model listens", analytics_enabled=False, delete_cache=(60, 300)
        ) as self.blocks:
            self._controls = Controls(points.values())
            self._connect()

    def _connect(self) -> None:
        """Connect controls to actions. All that runs the model waits in one queue."""
        own = self._controls
        asked = [own.question, own.choices, *own.setting]
        shown = [own.status, own.view]
        model: dict[str, Any] = {
            "concurrency_id": "model", "concurrency_limit": 1, "show_progress": "minimal",
            "show_progress_on": own.status, "api_visibility": "private",
        }  # fmt: skip
        plain: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        latest = {**model, "trigger_mode": "always_last"}

        self.blocks.load(self._call(self._start), None, [*shown, *asked], **model)
        own.example.input(self._call(self._take_example), own.example, [*shown, *asked], **model)
        clips = [own.audio.upload, own.audio.stop_recording]
        take = self._call(self._take_clip)
        gr.on(clips, take, [own.audio, *asked], [*shown, own.audio, own.example], **model)
        ask = self._call(self._ask)
        gr.on([own.ask.click, own.question.submit, own.choices.submit], ask, asked, shown, **latest)
        for name, control in own.moved.items():
            picked = name in ("alpha", "formula")
            gr.on([control.input] if picked else [control.submit], ask, asked, shown, **latest)
        own.point.input(self._call(self._start_from), asked, [*shown, *own.setting], **latest)
        own.file.upload(
            self._call(self._open_file), [own.file, *asked], [*shown, *own.setting], **model
        )
        own.view.choose(self._call(self._choose, told=True), None, shown, **plain)
        own.view.silence(self._call(self._silence, told=True), None, shown, **model)
        own.view.restore(self._call(self._restore), None, shown, **plain)
        own.save.click(self._call(self._save), None, [own.status, own.saved], **plain).then(
            None, own.saved, None, js=_SAVE
        )
        self.blocks.unload(self._end)

    def _call(self, act: Callable[..., Updates], told: bool = False) -> Callable[..., Updates]:
        """Return what Gradio calls: it gives an action the tab's visit, and shows its errors.

        Args:
            act: an action.
            told: whether the view tells it something.
        """

        def call(tab: gr.Request, *given: Any) -> Updates:
            status = self._controls.status
            try:
                return act(self._visits.of(str(tab.session_hash)), *given)
            except MataError as error:
                return {status: wrong(str(error))}
            except Exception as error:
                LOG.exception("the page could not do what it was asked")
                return {status: wrong(f"unexpected: {one_line(error)}. The page goes on.")}

        def call_told(tab: gr.Request, event: gr.EventData) -> Updates:
            return call(tab, event._data)

        return call_told if told else call

    # Actions.

    def _start(self, visit: Visit) -> Updates:
        return self._take_example(visit, EXAMPLES[0].name)

    def _take_example(self, visit: Visit, name: str) -> Updates:
        example = EXAMPLE_BY_NAME[name]
        text = self._listening.take_example(visit, example)
        point = next(iter(self._points.values()))
        if example.setting == BEST:
            point = next((own for own in self._points.values() if own.method == BEST_HERE), point)
        item = example.item
        data = self._listening.ask(visit, item.question, item.choices, point.method)
        return {
            **self._shown(text, data, visit.shown),
            self._controls.question: item.question,
            self._controls.choices: "\n".join(item.choices),
            **self._filled(visit, point),
        }

    def _take_clip(self, visit: Visit, path: str | None, *asked: Any) -> Updates:
        if path is None:
            return {}
        controls = self._controls
        try:
            text = self._listening.take_file(visit, Path(path))
        except MataError as error:
            return {controls.status: wrong(str(error)), controls.audio: None}
        finally:
            Path(path).unlink(missing_ok=True)  # what was read is enough
        taken = {controls.audio: None, controls.example: None}
        if not str(asked[0]).strip():
            return {**taken, **self._shown(f"{text}. Now ask a question about it.", None)}
        try:
            return {**taken, **self._ask(visit, *asked, text=text)}
        except MataError as error:
            return {
                **taken,
                **self._shown("", None),
                controls.status: wrong(f"{text}. But {error}"),
            }

    def _ask(
        self, visit: Visit, question: str, choices: str, *setting: Any, text: str = ""
    ) -> Updates:
        return self._answer(visit, question, choices, self._method(visit, *setting), text)

    def _answer(
        self, visit: Visit, question: str, choices: str, method: Method, text: str = ""
    ) -> Updates:
        listed = [own.strip() for own in choices.splitlines() if own.strip()]
        data = self._listening.ask(visit, question, listed, method)
        seconds = sum(own.seconds for own in visit.steered.values())
        return self._shown(text or f"answered in {seconds:.2f} s", data, visit.shown)

    def _start_from(self, visit: Visit, question: str, choices: str, name: str, *_: Any) -> Updates:
        point = self._points_of(visit)[name]
        text = f"{point.name} ({point.origin})"
        answered = self._answer(visit, question, choices, point.method, text)
        return {**answered, **self._filled(visit, point)}

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
        return {self._controls.view: gr.HTML(value=data)}

    def _silence(self, visit: Visit, told: Any) -> Updates:
        told = told if isinstance(told, dict) else {}
        start, end = told.get("start"), told.get("end")
        if not (isinstance(start, (int, float)) and isinstance(end, (int, float))):
            raise SettingsError("mark a stretch first: drag on the timeline, or write its seconds")
        data = self._listening.silence(visit, float(start), float(end))
        return self._shown(f"asked again with {start:.2f} to {end:.2f} s silent", data, visit.shown)

    def _restore(self, visit: Visit) -> Updates:
        if visit.silenced is None:
            raise SettingsError("nothing is silenced")
        visit.forget_silence()
        return self._shown("the whole clip is heard", self._listening.view(visit), visit.shown)

    def _save(self, visit: Visit) -> Updates:
        page = self._listening.page(visit)
        return {self._controls.status: said("saved as listening.html"), self._controls.saved: page}

    def _shown(self, text: str, data: object, clip: object = None) -> Updates:
        """Return updates that say something, and show the view's data; None hides the view."""
        view = gr.HTML(value=data) if data is None else gr.HTML(value=data, clip=clip)
        return {self._controls.status: said(text), self._controls.view: view}

    def _end(self, tab: gr.Request) -> None:
        self._visits.end(str(tab.session_hash))

    # Settings.

    def _points_of(self, visit: Visit) -> dict[str, StartingPoint]:
        return {**self._points, **visit.points}

    def _method(self, visit: Visit, name: str, *values: Any) -> Method:
        method = self._points_of(visit)[name].method
        return controlled(method, dict(zip(CONTROLLED, values, strict=True)))

    def _filled(self, visit: Visit, point: StartingPoint) -> Updates:
        return self._controls.start_from(point, self._points_of(visit))
