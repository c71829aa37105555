// ListeningView.mount(element, {onEvent, scheme, silences}) shows answers about a clip, and where they
// listened.
//
// It returns {update(data)}: `data` is what mata_audio.listening_view.listening_data makes. An update
// about the same clip keeps the chosen word, playhead, zoom and sound. onEvent(name, detail) is told
//   "choose"  {layers, heads}: what was chosen in the map, as lists; null for all
//   "mark"    {start, end} in seconds, or null: the stretch that was marked
//   "silence" {start, end}: ask again with the marked stretch silent; "restore" null: no longer.
//             Both only if `silences` is true.
// Without onEvent nothing can be chosen or marked. scheme "class" takes dark and light from an
// ancestor with the class "dark" only, not from the system.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});
  const { make, button, disable, seconds } = view;
  const SHORTEST = 0.3; // seconds of sound that a chosen word plays at least
  const CAUTION = "Attention shows where the model looks, not what it uses: "
    + "silence a stretch to test that.";

  view.mount = (element, { onEvent = null, scheme = "", silences = false } = {}) => {
    let data = null;
    let word = null; // {answer, word} that is chosen, or null for the mean over words
    let mark = null;
    let styles = [];

    // Parts.
    const answers = view.answers(chooseWord);
    const player = view.player((time) => {
      timeline.showTime(time);
      showPlaying();
    });
    const timeline = view.timeline({ seek: player.seek, toggle: player.toggle, mark: setMark },
      onEvent !== null);
    const maps = view.maps(onEvent && ((choice) => onEvent("choose", choice)));

    const question = make("p", { class: "lv-question", dir: "auto" });
    const facts = make("p", { class: "lv-facts" });
    const play = button("Play", player.toggle);
    play.classList.add("lv-play");
    const clock = make("span", { class: "lv-clock" });
    const playsWords = make("input", { type: "checkbox" });
    playsWords.checked = true;
    const closer = button("+", () => zoomBy(2), "Zoom in");
    const wider = button("−", () => zoomBy(0.5), "Zoom out");
    const legend = make("p", { class: "lv-legend" });
    const heading = make("h3", {});
    const from = number("from");
    const to = number("to");
    const clear = button("Clear", () => setMark(null));
    const playMark = button("Play it", () => player.play(mark.start, mark.end));
    const silence = button("Silence it", () => onEvent("silence", mark));
    const restore = button("Hear it again", () => onEvent("restore", null));
    silence.classList.add("lv-silence");
    const marking = make("div", { class: "lv-marking", role: "group", "aria-label": "Marked stretch" },
      make("span", {}, "Mark a stretch: drag on the timeline, or"), from.label, to.label,
      playMark, silence, restore, clear);
    marking.hidden = onEvent === null;
    silence.hidden = !silences;
    const root = make("div", { class: "listening-view", ...(scheme && { "data-scheme": scheme }) },
      make("div", { class: "lv-card" },
        make("header", {}, question, facts), answers.element,
        make("section", { class: "lv-heard", "aria-label": "Where it listened" },
          make("div", { class: "lv-bar-of-tools" }, play, clock,
            make("span", { class: "lv-zoom", role: "group", "aria-label": "Zoom" }, wider, closer),
            make("label", { class: "lv-check" }, playsWords, "Choosing a word plays where it listened")),
          make("div", { class: "lv-over" }, heading, legend), timeline.element, marking),
        maps.element, make("p", { class: "lv-caution" }, CAUTION), player.element));
    element.replaceChildren(root);

    function number(name) {
      const input = make("input", { type: "number", min: "0", step: "0.01" });
      input.addEventListener("change", marksByNumber);
      return { input, label: make("label", {}, `${name} `, input, " s") };
    }

    // Showing.
    function update(next) {
      const sameClip = data !== null && data.clip.audio === next.clip.audio
        && data.clip.name === next.clip.name && data.clip.seconds === next.clip.seconds;
      const kind = sameClip && word ? data.answers[word.answer].kind : "";
      data = next;
      styles = view.styles(data.answers);
      word = kind ? kept(kind) : null;
      if (!sameClip) {
        player.load(data.clip.audio);
        timeline.showClip(data.clip);
        showMark(null);
      }
      question.textContent = data.question;
      facts.replaceChildren(make("bdi", {}, data.clip.name), make("span", {}, seconds(data.clip.seconds)),
        ...(data.right === "" ? [] : [make("span", {}, "right answer: ",
          make("bdi", { class: "lv-strong" }, data.right))]));
      show();
    }

    // The chosen word in new answers: at the same place of the answer of the same kind.
    function kept(kind) {
      const same = data.answers[word.answer]?.kind === kind ? word.answer
        : data.answers.findIndex((answer) => answer.kind === kind);
      const answer = data.answers[same];
      return answer?.by_word[word.word] ? { answer: same, word: word.word } : null;
    }

    function show() {
      const place = word ? word.word : null;
      const rows = data.answers.map((answer) => view.alongTime(answer, place));
      answers.show(data, word);
      timeline.showAnswers(data.answers, styles, rows);
      timeline.showListened(stretchOf(word));
      maps.show(data, place, styles);
      showLegend(rows, place);
      showPlaying();
      restore.hidden = !silences || !data.answers.some(({ kind }) => kind.startsWith("probe"));
    }

    function showLegend(rows, place) {
      const chosen = word && data.answers[word.answer].words[word.word].trim();
      heading.replaceChildren(...(word ? ["Where “", make("bdi", {}, chosen), "” listens"]
        : ["Where the answer listens"]));
      const spoken = (answer) => (place === null || !answer.words[place] ? []
        : [" “", make("bdi", {}, answer.words[place].trim()), "”"]);
      legend.replaceChildren(...data.answers.flatMap((answer, index) => (rows[index]
        ? [make("span", { class: styles[index] },
          make("span", { class: "lv-stroke", "aria-hidden": "true" }),
          make("bdi", {}, answer.name), ...spoken(answer))] : [])),
      make("span", { class: "lv-quiet" }, "share of attention on each step",
        ...(data.note ? ["; ", make("bdi", {}, data.note)] : [])));
    }

    function showPlaying() {
      if (data === null) return;
      const { playing } = player;
      play.textContent = playing ? "Pause" : "Play";
      play.classList.toggle("lv-playing", playing);
      disable(play, player.silent);
      clock.textContent = `${player.time.toFixed(2)} / ${seconds(data.clip.seconds)}`;
    }

    // What the reader does.
    function chooseWord(answer, index) {
      const again = word?.answer === answer && word.word === index;
      word = again ? null : { answer, word: index };
      show();
      const stretch = stretchOf(word);
      if (!stretch || !playsWords.checked) return;
      const more = Math.max(0, SHORTEST - (stretch.end - stretch.start)) / 2;
      player.play(Math.max(0, stretch.start - more), stretch.end + more);
    }

    // Where a word listened most, inside the clip.
    function stretchOf(chosen) {
      const answer = chosen && data.answers[chosen.answer];
      const steps = answer && view.listenedMost(answer.by_word[chosen.word].filter((_, step) =>
        answer.starts[step] < data.clip.seconds));
      return steps ? { start: answer.starts[steps[0]],
        end: Math.min(answer.ends[steps[1]], data.clip.seconds) } : null;
    }

    function zoomBy(factor) {
      const zoom = timeline.setZoom(timeline.zoom * factor);
      disable(wider, zoom <= 1);
    }

    function marksByNumber() {
      const [start, end] = [from.input.valueAsNumber, to.input.valueAsNumber];
      if (start >= 0 && end > start) setMark({ start, end: Math.min(end, data.clip.seconds) });
    }

    function setMark(stretch) {
      const same = stretch?.start === mark?.start && stretch?.end === mark?.end;
      showMark(stretch);
      if (!same) onEvent("mark", stretch);
    }

    function showMark(stretch) {
      mark = stretch;
      timeline.showMarked(mark);
      from.input.value = mark ? mark.start.toFixed(2) : "";
      to.input.value = mark ? mark.end.toFixed(2) : "";
      for (const own of [playMark, silence, clear]) disable(own, mark === null);
    }

    zoomBy(1);
    return { update };
  };
}
