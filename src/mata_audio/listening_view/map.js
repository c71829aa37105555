// Attention by layer and head: layers down, heads across, one map for each answer.
// Cells, rows and columns can be chosen where the host takes a choice; pointing always tells.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});
  const { make, draw, button, disable, percent, runs } = view;
  const [LEAST, MOST, ALL] = [8, 18, 264]; // pixels: heights of a row, and of a whole map at most
  const EVERY = -1; // the place beside a map: every layer, or every head

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const isWhole = ({ layers, heads }) => layers === null && heads === null;
  const heightOf = (layers) => Math.max(LEAST, Math.min(MOST, Math.floor(ALL / layers)));
  const range = (one, other) => (one === EVERY || other === EVERY ? null
    : Array.from({ length: Math.abs(one - other) + 1 }, (_, n) => Math.min(one, other) + n));

  // onChoose({layers, heads}) is called with lists, null for all; without it nothing is chosen.
  view.maps = (onChoose) => {
    const title = make("h3", {}, "Attention to the clip by layer and head");
    const all = button("All layers and heads", () => choose({ layers: null, heads: null }));
    all.hidden = !onChoose;
    const grid = make("div", { class: "lv-map-grid" });
    const scale = make("p", { class: "lv-scale" });
    const readout = make("p", { class: "lv-readout", role: "status" });
    const hint = onChoose
      ? "Choose a cell, a layer's number or a head's number; hold shift to extend the choice."
      : "Point at a cell, a layer's number or a head's number.";
    const element = make("section", { class: "lv-maps", "aria-label": title.textContent },
      make("div", { class: "lv-bar-of-tools" }, title, all), grid, readout, scale);
    let maps = [];
    let built = "";
    let chosen = { layers: null, heads: null };
    let cursor = null;
    let anchor = null;

    function choose(choice) {
      if (!onChoose) return;
      chosen = choice;
      showChosen();
      onChoose(choice);
    }

    function show(data, word, styles) {
      const answers = data.answers.map((answer, index) => ({ answer, style: styles[index],
        cells: view.byHead(answer, word) })).filter(({ answer }) => answer.map.length);
      element.hidden = !answers.length;
      const shape = JSON.stringify(answers.map(({ answer, style }) =>
        [answer.name, style, answer.map.length, answer.map[0].length, answer.layers]));
      if (shape !== built) {
        maps = answers.map(build);
        grid.replaceChildren(...maps.map((map) => map.element));
        [built, cursor, anchor] = [shape, null, null];
      }
      const highest = Math.max(0, ...answers.flatMap(({ cells }) => cells ?? []).flat());
      maps.forEach((map, index) => map.fill(answers[index].cells, highest));
      scale.replaceChildren("0", ...styles.filter((_, n) => data.answers[n].map.length).slice(0, 2)
        .map((style) => make("span", { class: `lv-ramp ${style}` })), percent(highest),
      make("span", { class: "lv-quiet" }, "of attention"));
      chosen = data.chosen;
      showChosen();
      tell();
    }

    function showChosen() {
      disable(all, isWhole(chosen));
      for (const map of maps) map.outline(chosen);
    }

    function tell() {
      if (!cursor) {
        readout.replaceChildren(make("span", { class: "lv-quiet" }, hint));
        return;
      }
      const { layer, head } = cursor;
      const steered = maps.some((map) => map.layers.includes(layer));
      const where = [
        layer === EVERY ? "every layer" : `layer ${layer}${steered ? ", steered" : ""}`,
        head === EVERY ? "every head" : `head ${head}`,
      ].join(", ");
      readout.replaceChildren(make("span", { class: "lv-moment" }, where),
        ...maps.filter((map) => map.cells).map((map) => make("span", { class: map.style },
          make("bdi", {}, map.name), ` ${percent(map.share(layer, head))}`)));
    }

    // One map.
    function build({ answer, style }) {
      const [layers, heads] = [answer.map.length, answer.map[0].length];
      const cell = (layer, head) => draw("rect",
        { x: head, y: layer, width: 1, height: 1, class: "lv-cell" });
      const rects = answer.map.map((row, layer) => row.map((_, head) => cell(layer, head)));
      const outlines = draw("g", { class: "lv-outlines" });
      const plane = draw("svg", { viewBox: `0 0 ${heads} ${layers}`, class: "lv-plane",
        preserveAspectRatio: "none", "aria-hidden": "true" }, ...rects.flat(), outlines);
      const cells = make("div", { class: "lv-cells" }, plane);
      const rows = make("div", { class: "lv-map-rows", "aria-hidden": "true" });
      const columns = make("div", { class: "lv-map-columns", "aria-hidden": "true" });
      const height = heightOf(layers);
      cells.style.height = `${layers * height}px`;
      label(rows, layers, Math.ceil(13 / height), "top");
      label(columns, heads, Math.ceil(heads * 18 / 300), "left");
      for (const [from, to] of runs(answer.layers)) {
        const mark = make("i", { title: "steered" });
        mark.style.top = `${100 * from / layers}%`;
        mark.style.height = `${100 * (to + 1 - from) / layers}%`;
        rows.append(mark);
      }
      const body = make("div", { class: "lv-map-body", tabindex: "0", role: "application",
        "aria-label": `Map of ${answer.name}: ${layers} layers down, ${heads} heads across. `
          + `Arrow keys move${onChoose ? ", Enter chooses, shift and Enter extend the choice" : ""}.`,
      }, corner("layer"), make("span"), rows, cells, corner("head"), columns);
      const figure = make("figure", { class: `lv-map ${style}` }, make("figcaption", {},
        make("span", { class: "lv-swatch", "aria-hidden": "true" }), make("bdi", {}, answer.name)),
      body);
      figure.style.maxWidth = `${Math.max(240, heads * 96)}px`;
      const map = {
        name: answer.name, style, layers: answer.layers, cells: null, element: figure,
        fill(values, highest) {
          map.cells = values;
          body.classList.toggle("lv-without", values === null);
          rects.forEach((row, layer) => row.forEach((rect, head) => {
            const share = values ? values[layer][head] / (highest || 1) : 0;
            rect.setAttribute("fill-opacity", share.toFixed(3));
          }));
        },
        share(layer, head) {
          const chosenRows = layer === EVERY ? map.cells : [map.cells[layer]];
          return mean(chosenRows.map((row) => (head === EVERY ? mean(row) : row[head])));
        },
        outline(choice) {
          const down = isWhole(choice) ? [] : choice.layers === null ? [[0, layers - 1]] : runs(choice.layers);
          const across = choice.heads === null ? [[0, heads - 1]] : runs(choice.heads);
          outlines.replaceChildren(...down.flatMap(([top, bottom]) => across.map(([left, right]) =>
            frame("lv-chosen", left, top, right + 1 - left, bottom + 1 - top))),
          ...(cursor ? [pointedAt()] : []));
        },
      };

      const frame = (kind, x, y, width, height) => draw("rect",
        { x, y, width, height, class: kind, "vector-effect": "non-scaling-stroke" });
      function pointedAt() {
        const { layer, head } = cursor;
        return frame("lv-cursor", Math.max(0, head), Math.max(0, layer), head === EVERY ? heads : 1,
          layer === EVERY ? layers : 1);
      }

      // Pointer.
      const place = (event) => {
        const box = cells.getBoundingClientRect();
        const at = (share, count) => Math.min(count - 1, Math.max(EVERY, Math.floor(share * count)));
        const layer = at((event.clientY - box.top) / box.height, layers);
        const head = at((event.clientX - box.left) / box.width, heads);
        const below = event.clientY >= box.bottom;
        return { layer: below ? EVERY : Math.max(0, layer), head };
      };
      let pressed = false;
      body.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        point(place(event));
        if (!onChoose) return;
        pressed = true;
        if (!event.shiftKey || !anchor) anchor = place(event);
        if (event.pointerType === "mouse") body.setPointerCapture(event.pointerId);
      });
      body.addEventListener("pointermove", (event) => {
        point(place(event));
        if (pressed && event.pointerType === "mouse") preview();
      });
      body.addEventListener("pointerup", (event) => {
        if (!pressed) return;
        pressed = false;
        point(place(event));
        extend();
      });
      body.addEventListener("pointercancel", () => { pressed = false; });
      body.addEventListener("pointerleave", (event) => {
        // A finger leaves whenever it is lifted: what it touched can still be read.
        if (!pressed && event.pointerType !== "touch") point(null);
      });

      // Keys.
      body.addEventListener("focus", () => {
        if (!cursor && body.matches(":focus-visible")) point({ layer: 0, head: 0 });
      });
      body.addEventListener("blur", () => point(null));
      body.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const { layer, head } = cursor ?? { layer: 0, head: 0 };
        const moved = {
          ArrowDown: [layer + 1, head], ArrowUp: [layer - 1, head], ArrowRight: [layer, head + 1],
          ArrowLeft: [layer, head - 1], Home: [layer, EVERY], End: [layer, heads - 1],
          PageUp: [EVERY, head], PageDown: [layers - 1, head],
        }[event.key];
        if (moved) {
          const within = (value, count) => Math.max(EVERY, Math.min(count - 1, value));
          point({ layer: within(moved[0], layers), head: within(moved[1], heads) });
        } else if ((event.key === "Enter" || event.key === " ") && onChoose) {
          if (!event.shiftKey || !anchor) anchor = cursor;
          extend();
        } else if (event.key === "Escape" && onChoose && !isWhole(chosen)) {
          choose({ layers: null, heads: null });
        } else return;
        event.preventDefault();
      });
      return map;
    }

    const choice = () => ({ layers: range(anchor.layer, cursor.layer),
      heads: range(anchor.head, cursor.head) });

    function preview() {
      for (const map of maps) map.outline(choice());
    }

    function extend() {
      if (anchor && cursor) choose(choice());
    }

    function point(at) {
      cursor = at;
      showChosen();
      tell();
    }

    const corner = (text) => make("span", { class: "lv-corner", "aria-hidden": "true" }, text);

    // Numbers beside a map, as many as can be read.
    function label(element, count, each, side) {
      for (let number = 0; number < count; number += each) {
        const own = make("span", {}, `${number}`);
        own.style[side] = `${100 * (number + 0.5) / count}%`;
        element.append(own);
      }
    }

    return { element, show };
  };
}
