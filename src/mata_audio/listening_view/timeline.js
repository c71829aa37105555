// The timeline: its lanes, the playhead, and what pointer and keys do on it.
// A click goes to a moment. Dragging marks a stretch where the host takes one, else it seeks.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});
  const { make, seconds, percent } = view;
  const DRAGGED = 4; // pixels from which a press is no click
  const MOST_ZOOM = 16;

  // on: seek(time), toggle(), mark(stretch | null), each called for what the reader does.
  view.timeline = (on, marking) => {
    const lanes = {
      wave: make("div", { class: "lv-lane lv-wave-lane" }),
      spectrogram: make("div", { class: "lv-lane lv-spectrogram" }),
      attention: make("div", { class: "lv-lane lv-attention" }),
    };
    const axis = make("div", { class: "lv-axis", "aria-hidden": "true" });
    const overlay = (style) => make("div", { class: style, hidden: "" });
    const listened = overlay("lv-listened");
    const marked = overlay("lv-marked");
    const hover = overlay("lv-hover");
    const head = make("div", { class: "lv-head" });
    const track = make("div", { class: "lv-track", role: "slider", tabindex: "0",
      "aria-label": "Place in the clip", "aria-valuemin": "0" },
    ...Object.values(lanes), axis, listened, marked, hover, head);
    const scroller = make("div", { class: "lv-scroller" }, track);
    const kilohertz = make("span");
    const highest = make("span");
    const gutter = make("div", { class: "lv-gutter", "aria-hidden": "true" },
      make("div", { class: "lv-wave-lane" }, make("span", {}, "sound")),
      make("div", { class: "lv-spectrogram" }, kilohertz, make("span", {}, "0")),
      make("div", { class: "lv-attention" }, highest, make("span", {}, "0")));
    const readout = make("p", { class: "lv-readout" });
    const element = make("div", { class: "lv-timeline" }, gutter, scroller, readout);

    let length = 1;
    let shown = { answers: [], styles: [], rows: [] };
    let time = 0;
    let pointed = null;
    let zoom = 1;

    new ResizeObserver(() => view.drawAxis(axis, length)).observe(axis);

    const part = (value) => `${100 * Math.max(0, Math.min(1, value / length))}%`;

    function place(element, stretch) {
      element.hidden = stretch === null;
      if (stretch === null) return;
      element.style.left = part(stretch.start);
      element.style.width = `calc(${part(stretch.end)} - ${part(stretch.start)})`;
    }

    // Where each answer listens at a moment: what the line below says, and screen readers.
    function tell(at) {
      const said = shown.answers.flatMap((answer, index) => {
        const row = shown.rows[index];
        const step = row ? view.stepAt(answer, at) : -1;
        return step < 0 ? [] : [[answer, shown.styles[index], row[step], step]];
      });
      const [first] = said;
      const moment = first
        ? `${first[0].starts[first[3]].toFixed(2)}–${seconds(first[0].ends[first[3]])}` : seconds(at);
      readout.replaceChildren(make("span", { class: "lv-moment" }, moment),
        ...said.map(([answer, style, share]) => make("span", { class: style },
          make("span", { class: "lv-stroke", "aria-hidden": "true" }),
          make("bdi", {}, answer.name), ` ${percent(share)}`)));
      return said.map(([answer, , share]) => `${answer.name} ${percent(share)}`);
    }

    function showTime(now) {
      time = Math.min(now, length);
      head.style.left = part(time);
      track.setAttribute("aria-valuenow", time.toFixed(2));
      const said = tell(pointed ?? time);
      track.setAttribute("aria-valuetext", [`${time.toFixed(2)} seconds`,
        ...(pointed === null && said.length ? [`attention: ${said.join(", ")}`] : [])].join("; "));
      if (zoom > 1 && pointed === null) keepInSight();
    }

    function keepInSight() {
      const x = track.clientWidth * time / length;
      const from = scroller.scrollLeft;
      if (x < from || x > from + scroller.clientWidth) {
        scroller.scrollLeft = x - scroller.clientWidth * 0.1;
      }
    }

    function showClip(clip) {
      length = clip.seconds > 0 ? clip.seconds : 1;
      track.setAttribute("aria-valuemax", length.toFixed(2));
      kilohertz.textContent = `${Number(clip.spectrogram.top.toFixed(1))} kHz`;
      view.drawWaveform(lanes.wave, clip);
      view.drawSpectrogram(lanes.spectrogram, clip.spectrogram);
      view.drawAxis(axis, length);
      setZoom(1);
      showTime(0);
    }

    function showAnswers(answers, styles, rows) {
      shown = { answers, styles, rows };
      const any = rows.some(Boolean);
      element.classList.toggle("lv-no-attention", !any);
      const top = any ? view.drawAttention(lanes.attention, answers, styles, rows, length) : 0;
      highest.textContent = any ? `${Number((100 * top).toPrecision(2))} %` : "";
      showTime(time);
    }

    function setZoom(value) {
      zoom = Math.max(1, Math.min(MOST_ZOOM, value));
      track.style.width = `${100 * zoom}%`;
      keepInSight();
      return zoom;
    }

    // Pointer.
    let press = null;
    const moment = (event) => {
      const box = track.getBoundingClientRect();
      return length * Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };

    track.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      track.setPointerCapture(event.pointerId);
      press = { x: event.clientX, at: moment(event), dragged: false };
    });
    track.addEventListener("pointermove", (event) => {
      const at = moment(event);
      if (press && Math.abs(event.clientX - press.x) > DRAGGED) press.dragged = true;
      if (press?.dragged && marking) place(marked, between(press.at, at));
      else if (press?.dragged) on.seek(at);
      point(at);
    });
    track.addEventListener("pointerup", (event) => {
      if (!press) return;
      const own = press;
      press = null;
      if (own.dragged && marking) on.mark(between(own.at, moment(event)));
      else on.seek(moment(event));
    });
    track.addEventListener("pointercancel", () => { press = null; });
    track.addEventListener("pointerleave", () => point(null));

    const between = (one, other) =>
      ({ start: Math.min(one, other), end: Math.max(one, other) });

    function point(at) {
      pointed = at;
      hover.hidden = at === null;
      if (at !== null) hover.style.left = part(at);
      showTime(time);
    }

    // Keys: arrows go step by step, with shift they mark what they pass.
    let from = null;
    track.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const first = shown.answers.find((answer) => answer.starts.length);
      const step = first ? first.ends[0] - first.starts[0] : length / 50;
      const target = {
        ArrowRight: time + step, ArrowUp: time + step, ArrowLeft: time - step,
        ArrowDown: time - step, PageUp: time + 10 * step, PageDown: time - 10 * step,
        Home: 0, End: length,
      }[event.key];
      if (event.key === " ") on.toggle();
      else if (event.key === "Escape" && marking) on.mark(null);
      else if (target !== undefined) {
        const to = Math.max(0, Math.min(length, target));
        if (event.shiftKey && marking) {
          from ??= time;
          place(marked, between(from, to));
        }
        on.seek(to);
      } else return;
      event.preventDefault();
    });
    function marksByKey() {
      if (from !== null && from !== time) on.mark(between(from, time));
      from = null;
    }
    track.addEventListener("keyup", (event) => { if (event.key === "Shift") marksByKey(); });
    track.addEventListener("blur", marksByKey);

    return {
      element, showClip, showAnswers, showTime, setZoom,
      get zoom() { return zoom; },
      showListened: (stretch) => place(listened, stretch),
      showMarked: (stretch) => place(marked, stretch),
    };
  };
}
