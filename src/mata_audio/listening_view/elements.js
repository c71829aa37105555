// Building elements and writing numbers. Text only ever goes in as text, and styles as properties
// of `style`, so that nothing in the data acts and a strict policy allows everything.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});

  view.make = (tag, attributes = {}, ...children) =>
    filled(document.createElement(tag), attributes, children);

  view.draw = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  view.button = (text, act, name = "") => {
    const own = view.make("button", { type: "button", ...(name && { "aria-label": name }) }, text);
    own.addEventListener("click", () => {
      if (own.getAttribute("aria-disabled") !== "true") act();
    });
    return own;
  };

  // Not "disabled", which would take the focus away from someone who has just pressed it.
  view.disable = (button, disabled) => button.setAttribute("aria-disabled", disabled);

  // A share as percent: 12.3 %, 1.23 %, 0.12 %, 0.012 %.
  view.percent = (share) => {
    const value = 100 * share;
    if (value > 0 && value < 0.001) return "<0.001\u00a0%";
    const figure = value >= 0.1 || value <= 0
      ? value.toFixed(value >= 10 ? 1 : 2) : value.toPrecision(2);
    return `${figure}\u00a0%`;
  };

  view.seconds = (value, digits = 2) => `${value.toFixed(digits)}\u00a0s`;

  // First and last of each run of consecutive numbers.
  view.runs = (numbers) => {
    const found = [];
    for (const number of [...numbers].sort((a, b) => a - b)) {
      const last = found.at(-1);
      if (last && number <= last[1] + 1) last[1] = number;
      else found.push([number, number]);
    }
    return found;
  };

  // The index of the step that holds a moment; -1 if none does. Steps are in order.
  view.stepAt = (answer, seconds) => {
    let low = 0;
    let high = answer.starts.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (seconds < answer.starts[middle]) high = middle - 1;
      else if (seconds >= answer.ends[middle]) low = middle + 1;
      else return middle;
    }
    return -1;
  };

  // Share of attention on each step: of the word at a place, or the mean over all words; null if
  // the answer has no such word, or no attention that could be shown.
  view.alongTime = (answer, word) => {
    const rows = answer.by_word;
    if (!answer.starts.length || !rows.length) return null;
    if (word !== null) return rows[word] ?? null;
    return answer.starts.map((_, step) =>
      rows.reduce((sum, row) => sum + row[step], 0) / rows.length);
  };

  // The same by layer and head.
  view.byHead = (answer, word) =>
    (word === null ? answer.map : answer.maps[word]) ?? null;

  // The shortest run of steps that holds half of a row's sum, the first of equals; null if none.
  view.listenedMost = (row) => {
    const half = row.reduce((sum, share) => sum + share, 0) / 2;
    if (!(half > 0)) return null;
    let best = null;
    let sum = 0;
    for (let first = 0, last = 0; last < row.length; last += 1) {
      sum += row[last];
      while (sum - row[first] >= half) {
        sum -= row[first];
        first += 1;
      }
      if (sum >= half && (best === null || last - first < best[1] - best[0])) best = [first, last];
    }
    return best;
  };
}
