"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const OUTCOMES = {
    gained: "Gained", lost: "Lost", both: "Both right", neither: "Both wrong",
    right: "Right", wrong: "Wrong", error: "Error", unscored: "Not scored",
  };
  const compared = data.settings.length > 1;
  const outcomeKeys = compared
    ? ["gained", "lost", "both", "neither", "error", "unscored"]
    : ["right", "wrong", "error", "unscored"];
  const state = { groups: data.groupings.map(() => ""), setting: compared ? 1 : 0, outcome: "",
    text: "", size: 10, page: 0 };
  const number = new Intl.NumberFormat("en");
  const byId = (id) => document.getElementById(id);
  let shown = data.items;

  // Building elements: text always goes in as text.
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  const isolated = (text) => make("bdi", {}, text);

  // Each setting's marker stands at its name in a table.
  const markers = data.answered.map((_, index) =>
    document.querySelector(`th[data-marker="${index}"] .marker`));

  // Which items are shown.
  function outcome(item, setting) {
    if (item.error !== null) return "error";
    const own = item.answers[setting];
    if (!own || own.correct === null) return "unscored";
    if (setting === 0) return own.correct ? "right" : "wrong";
    const base = item.answers[0];
    if (!base || base.correct === null) return "unscored";
    if (own.correct) return base.correct ? "both" : "gained";
    return base.correct ? "lost" : "neither";
  }

  const fold = (text) => text.normalize("NFKC").toLowerCase();

  const folded = new WeakMap();
  function searchable(item) {
    let text = folded.get(item);
    if (text === undefined) {
      const answers = item.answers.filter(Boolean).flatMap((answer) => [answer.raw, answer.read]);
      const names = item.clips.map((clip) => clip.name);
      text = fold([item.id, item.question, ...item.choices, item.answer ?? "", item.error ?? "",
        ...item.groups.map((name) => name ?? ""), ...names, ...answers].join("\n"));
      folded.set(item, text);
    }
    return text;
  }

  function update() {
    const words = fold(state.text).split(/\s+/).filter(Boolean);
    const matching = data.items.filter((item) =>
      state.groups.every((name, index) => name === "" || item.groups[index] === name)
      && words.every((word) => searchable(item).includes(word)));
    const counts = Object.fromEntries(outcomeKeys.map((key) => [key, 0]));
    for (const item of matching) counts[outcome(item, state.setting)] += 1;
    for (const [key, element] of outcomeCounts) {
      element.textContent = number.format(key === "" ? matching.length : counts[key]);
    }
    shown = state.outcome === ""
      ? matching
      : matching.filter((item) => outcome(item, state.setting) === state.outcome);
    state.page = 0;
    byId("count").textContent = `${number.format(shown.length)} of `
      + `${number.format(data.items.length)} ${data.items.length === 1 ? "item" : "items"}`;
    reset.hidden = state.outcome === "" && words.length === 0 && state.groups.every((n) => n === "");
    render();
  }

  function render() {
    const start = state.page * state.size;
    const list = byId("list");
    list.replaceChildren(...shown.slice(start, start + state.size).map((item, index) =>
      card(item, start + index)));
    if (shown.length === 0) {
      list.append(make("p", { class: "nothing" }, "No item fits these filters."));
    }
    const pages = Math.max(1, Math.ceil(shown.length / state.size));
    where.textContent = `Page ${number.format(state.page + 1)} of ${number.format(pages)}`;
    // Not "disabled", which would take the focus away from someone who pages with the keyboard.
    previous.setAttribute("aria-disabled", state.page === 0);
    next.setAttribute("aria-disabled", state.page >= pages - 1);
  }

  // One item.
  function card(item, position) {
    const title = `item-${position}`;
    const groups = item.groups.filter((name) => name !== null).map((name) =>
      make("li", {}, isolated(name)));
    const key = outcome(item, state.setting);
    const colour = data.colours[state.setting];
    const relative = data.settings.length > 2 && key !== "error"
      ? ` with ${data.settings[state.setting]}` : "";
    const head = make("header", {},
      make("h3", { id: title }, isolated(item.id)),
      make("ul", { class: "groups", "aria-label": "Groups" }, ...groups),
      make("p", { class: `outcome ${key} ${colour}` }, OUTCOMES[key] + relative));
    const asked = make("div", { class: "asked" },
      ...item.clips.map((clip) => player(clip)),
      make("p", { class: "question", dir: "auto" }, item.question),
      choices(item), rightAnswer(item));
    const answers = item.error === null
      ? item.answers.map(answerOf)
      : [make("div", { class: "answer failed" }, make("h4", {}, "Error"),
          make("pre", { dir: "auto" }, item.error))];
    return make("article", { class: "item", tabindex: position % state.size === 0 ? 0 : -1,
      "aria-labelledby": title, "aria-posinset": position + 1, "aria-setsize": shown.length },
      head, make("div", { class: "body" }, asked, make("div", { class: "answers" }, ...answers)));
  }

  function player(clip) {
    const label = [clip.name, clip.length].filter(Boolean).join(", ");
    const box = make("figure", { class: "clip" });
    if (clip.source === null) {
      box.append(silent(clip.why));
    } else {
      const audio = make("audio",
        { controls: "", preload: "none", src: clip.source, "aria-label": label });
      audio.addEventListener("error", () => audio.replaceWith(silent(notPlayed(clip.source))));
      box.append(audio);
    }
    box.append(make("figcaption", {}, clip.name ? isolated(clip.name) : null,
      clip.length ? make("span", {}, clip.length) : null));
    return box;
  }

  // What stands in the place of a player.
  const silent = (why) => make("p", { class: "silent", role: "status", dir: "auto" }, why);

  function notPlayed(source) {
    if (/^data:/i.test(source)) return "This browser cannot play this clip.";
    return `This clip could not be loaded: there is no file at ${decoded(source)} as seen from `
      + "this page, or this browser cannot play it.";
  }

  function decoded(source) {
    try {
      return decodeURI(source);
    } catch {
      return source;
    }
  }

  function choices(item) {
    if (item.choices.length === 0) return null;
    return make("ol", { class: "choices" }, ...item.choices.map((choice) => {
      const right = choice === item.answer;
      return make("li", right ? { class: "right" } : {}, isolated(choice),
        right ? make("span", { class: "tag" }, "right answer") : null);
    }));
  }

  function rightAnswer(item) {
    if (item.answer === null) return make("p", { class: "key" }, "Its right answer is not public.");
    if (item.choices.includes(item.answer)) return null;
    return make("p", { class: "key" }, "Right answer: ", isolated(item.answer));
  }

  function answerOf(answer, setting) {
    const name = make("h4", {}, markers[setting]?.cloneNode(true) ?? null,
      isolated(data.answered[setting]));
    const colour = `answer ${data.colours[setting]}`;
    if (!answer) return make("div", { class: colour }, name, make("p", {}, "No answer."));
    const [style, verdict] = answer.correct === null ? ["uncounted", "– not counted"]
      : answer.correct ? ["right", "✓ right"] : ["wrong", "✗ wrong"];
    return make("div", { class: colour },
      make("div", { class: "said" }, name, make("span", { class: `verdict ${style}` }, verdict)),
      raw(answer.raw),
      make("p", { class: "read" }, make("span", {}, "read as"),
        answer.read === "" ? make("em", {}, "nothing") : isolated(answer.read)));
  }

  // The output unchanged; white space at its ends is marked.
  function raw(text) {
    if (text === "") return make("pre", { class: "raw empty" }, "empty output");
    const from = text.length - text.trimStart().length;
    const to = Math.max(from, text.trimEnd().length);
    return make("pre", { class: "raw", dir: "auto" },
      ends(text.slice(0, from)), text.slice(from, to), ends(text.slice(to)));
  }

  function ends(space) {
    if (space === "") return null;
    const part = document.createDocumentFragment();
    for (const character of space.slice(0, 40)) {
      const kind = { "\n": "newline", "\t": "tab" }[character] ?? "blank";
      part.append(make("span", { class: `space ${kind}` }, character));
    }
    part.append(space.slice(40));
    return part;
  }

  // Controls.
  function select(label, options, chosen, change) {
    const list = make("select", {}, ...options.map(([value, text]) =>
      make("option", { value }, text)));
    list.value = chosen;
    list.addEventListener("change", () => { change(list.value); update(); });
    return [make("label", { class: "field" }, make("span", {}, label), list), list];
  }

  const groupLists = data.groupings.map((grouping, index) =>
    select(grouping.heading, [["", "All"], ...grouping.names.map((name) => [name, name])], "",
      (value) => { state.groups[index] = value; }));
  const [settingField, settingList] = select("Outcome with",
    data.settings.map((name, index) => [String(index), name]).slice(1),
    String(state.setting), (value) => { chooseSetting(Number(value)); });

  const search = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  let typing = 0;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.text = search.value; update(); }, 150);
  });

  const outcomeCounts = new Map();
  const outcomeInputs = new Map();
  const outcomes = make("fieldset", { class: "outcomes" }, make("legend", {}, "Outcome"),
    ...["", ...outcomeKeys].map((key) => {
      const input = make("input", { type: "radio", name: "outcome", value: key });
      const count = make("span", { class: "number" });
      input.checked = key === "";
      input.addEventListener("change", () => { state.outcome = key; update(); });
      outcomeCounts.set(key, count);
      outcomeInputs.set(key, input);
      return make("label", { class: key || "all" }, input,
        make("span", {}, key === "" ? "All" : OUTCOMES[key]), count);
    }));

  function chooseSetting(index) {
    state.setting = index;
    settingList.value = String(index);
    outcomes.className = `outcomes ${data.colours[index]}`;  // of the mark of what was gained
  }

  const reset = make("button", { type: "button" }, "Clear filters");
  reset.addEventListener("click", () => { clear(); update(); search.focus(); });

  function clear() {
    state.groups.fill("");
    for (const [, list] of groupLists) list.value = "";
    state.text = search.value = "";
    choose("");
  }

  function choose(key) {
    state.outcome = key;
    outcomeInputs.get(key).checked = true;
  }

  const button = (label, change) => {
    const element = make("button", { type: "button" }, label);
    element.addEventListener("click", () => {
      if (element.getAttribute("aria-disabled") !== "true") turn(change);
    });
    return element;
  };
  const previous = button("Previous", -1);
  const next = button("Next", 1);
  const where = make("span", { class: "where" });
  const [sizeField] = select("Per page", [10, 25, 50].map((size) => [size, size]), "10",
    (value) => { state.size = Number(value); });

  function turn(change) {
    state.page += change;
    render();
    byId("browser").scrollIntoView({ block: "start" });
  }

  // Links from the figures to the items behind them.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-outcome]");
    if (!link) return;
    clear();
    choose(link.dataset.outcome);
    if (link.dataset.setting) chooseSetting(Number(link.dataset.setting));
    within(link.dataset.grouping, link.dataset.group);
    within(data.part, link.dataset.part);
    update();
  });

  function within(key, name) {
    const index = data.groupings.findIndex((one) => one.key === key);
    if (index < 0 || name === undefined) return;
    state.groups[index] = name;
    groupLists[index][1].value = name;
  }

  // Keys.
  function move(change) {
    const first = state.page * state.size;
    const cards = [...byId("list").querySelectorAll(".item")];
    const here = cards.indexOf(document.activeElement.closest(".item"));
    const target = here < 0 ? first : first + here + change;
    if (target < 0 || target >= shown.length) return;
    if (target < first || target >= first + cards.length) {
      state.page += change;
      render();
    }
    const card = byId(`item-${target}`).closest(".item");
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  }

  document.addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (at.matches("input, select, textarea, audio") || !byId("shortcuts").checked) return;
    const onItem = at.matches(".item");
    const step = { j: 1, k: -1, ...(onItem ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
    if (step) move(step);
    else if (event.key === "/") search.focus();
    else return;
    event.preventDefault();
  });

  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").append(
    make("label", { class: "field search" }, make("span", {}, "Search"), search),
    ...groupLists.map(([field]) => field),
    ...(data.settings.length > 2 ? [settingField] : []), outcomes);
  byId("pager").append(reset, sizeField, previous, where, next);
  byId("browser").hidden = false;
  chooseSetting(state.setting);
  update();
})();
