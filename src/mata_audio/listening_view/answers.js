// The answers side by side: words to choose, likeliest first words, how each was asked for.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});
  const { make, percent } = view;
  const MOST_ROWS = 6;
  const COLOURS = 4;

  // The style of each answer. Steered ones have the colours of their settings, or the next one.
  view.styles = (answers) => {
    let steered = 0;
    return answers.map(({ kind, colour }) => {
      if (!kind.endsWith("steered")) return `lv-${kind}`;
      if (kind === "steered") steered += 1;
      return `lv-${kind} lv-setting-${colour || ((Math.max(1, steered) - 1) % COLOURS) + 1}`;
    });
  };

  // onWord(answer index, word index) is called when a word is clicked.
  view.answers = (onWord) => {
    const element = make("div", { class: "lv-answers" });

    function show(data, chosen) {
      const focused = focusedWord();
      const rows = firstWords(data.answers);
      const styles = view.styles(data.answers);
      element.replaceChildren(...data.answers.map((answer, index) =>
        card(answer, index, styles[index], rows, chosen)));
      element.dataset.count = data.answers.length;
      if (focused) button(...focused)?.focus();
    }

    const button = (answer, word) =>
      element.querySelector(`[data-answer="${answer}"][data-word="${word}"]`);

    function focusedWord() {
      const at = document.activeElement;
      return element.contains(at) && at.dataset.word ? [at.dataset.answer, at.dataset.word] : null;
    }

    function card(answer, index, style, rows, chosen) {
      const head = make("h3", {}, make("span", { class: "lv-swatch", "aria-hidden": "true" }),
        make("bdi", {}, answer.name), verdict(answer.correct));
      const quiet = [answer.description, answer.receipt].filter(Boolean).map((text) =>
        make("bdi", {}, text));
      return make("section", { class: `lv-answer ${style}`, "aria-label": answer.name },
        head, words(answer, index, chosen), bars(answer, rows),
        answer.why_not
          ? make("p", { class: "lv-quiet" }, "No attention is shown: ",
            make("bdi", {}, answer.why_not), ".")
          : null,
        quiet.length ? make("p", { class: "lv-quiet lv-how" }, ...quiet) : null);
    }

    const verdict = (correct) => (typeof correct !== "boolean" ? null
      : make("span", { class: `lv-verdict lv-${correct ? "right" : "wrong"}` },
        correct ? "✓ right" : "✗ wrong"));

    function words(answer, index, chosen) {
      if (answer.text === "" && !answer.words.length) {
        return make("p", { class: "lv-words lv-quiet" }, "(empty answer)");
      }
      if (!view.alongTime(answer, null)) {
        return make("p", { class: "lv-words lv-plain", dir: "auto" }, answer.text);
      }
      const box = make("div", { class: "lv-words", dir: "auto", role: "group",
        "aria-label": `Words of the answer of ${answer.name}` });
      const reached = chosen?.answer === index ? chosen.word : 0;
      box.append(...answer.words.map((word, place) => {
        const pressed = chosen?.answer === index && chosen.word === place;
        const same = chosen && !pressed && chosen.word === place;
        const own = make("button", { type: "button", "data-answer": index, "data-word": place,
          class: same ? "lv-word lv-same" : "lv-word", "aria-pressed": pressed,
          tabindex: place === reached ? 0 : -1 }, word.trim() || "␣");
        own.addEventListener("click", () => onWord(index, place));
        return own;
      }));
      box.addEventListener("keydown", (event) => move(event, box));
      return box;
    }

    // Arrow keys move among the words of an answer.
    function move(event, box) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const all = [...box.children];
      const here = all.indexOf(document.activeElement);
      const forward = getComputedStyle(box).direction === "rtl" ? -1 : 1;
      const target = {
        ArrowRight: here + forward, ArrowLeft: here - forward, ArrowDown: here + 1,
        ArrowUp: here - 1, Home: 0, End: all.length - 1,
      }[event.key];
      if (target === undefined || here < 0) return;
      event.preventDefault();
      const next = all[Math.max(0, Math.min(all.length - 1, target))];
      for (const one of all) one.tabIndex = one === next ? 0 : -1;
      next.focus();
    }

    // Every answer shows the same words in the same order, so that one compares them.
    function firstWords(answers) {
      const highest = new Map();
      for (const [word, probability] of answers.flatMap((answer) => answer.first_words)) {
        highest.set(word, Math.max(probability, highest.get(word) ?? 0));
      }
      return [...highest].sort((a, b) => b[1] - a[1]).slice(0, MOST_ROWS).map(([word]) => word);
    }

    function bars(answer, rows) {
      if (!answer.first_words.length) return null;
      const own = new Map(answer.first_words);
      const least = Math.min(...own.values());
      const list = make("ul", { class: "lv-first", "aria-label": `First word of ${answer.name}` });
      list.append(...rows.map((word) => {
        const probability = own.get(word);
        const bar = make("span", { class: "lv-bar", "aria-hidden": "true" }, make("span"));
        bar.firstChild.style.width = `${100 * Math.min(1, probability ?? 0)}%`;
        // A word that is not among an answer's likeliest is at most as likely as the last of them.
        const figure = probability === undefined ? `≤ ${percent(least)}` : percent(probability);
        return make("li", {}, make("bdi", { class: "lv-token", title: word }, word.trim() || "␣"),
          bar, make("span", { class: "lv-figure" }, figure));
      }));
      return make("div", {}, make("p", { class: "lv-label" }, "Likeliest first words"), list);
    }

    return { element, show };
  };
}
