// What the timeline shows on one time axis: waveform, spectrogram, and attention as step lines.
// Drawings fill their lane whatever its size, so they stay sharp and need no redrawing.
"use strict";
{
  const view = (globalThis.ListeningView ??= {});
  const { make, draw } = view;
  const WIDTH = 1000;
  const HEIGHT = 100;
  const STEPS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600];
  const APART = 56; // pixels between the labels of the axis, at least

  const plane = () => draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "lv-plane",
    preserveAspectRatio: "none", "aria-hidden": "true" });
  const line = (path, style) =>
    draw("path", { d: path, class: style, "vector-effect": "non-scaling-stroke" });

  // Lowest and highest sample of each column, as one closed shape.
  view.drawWaveform = (lane, clip) => {
    const columns = clip.low.length;
    const loudest = Math.max(0.01, ...clip.high, ...clip.low.map(Math.abs));
    const place = (value, column) =>
      `${((column + 0.5) * WIDTH / columns).toFixed(1)} ${(50 - 47 * value / loudest).toFixed(1)}`;
    const top = clip.high.map(place);
    const bottom = clip.low.map(place).reverse();
    const shape = plane();
    if (columns) shape.append(line(`M${[...top, ...bottom].join("L")}Z`, "lv-wave"));
    lane.replaceChildren(shape);
  };

  // Loud is opaque; the style turns black ink white on a dark page.
  view.drawSpectrogram = (lane, { columns, rows, levels }) => {
    const canvas = make("canvas", { width: columns || 1, height: rows || 1, "aria-hidden": "true" });
    const content = atob(levels);
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const level = content.charCodeAt(row * columns + column);
        image.data[4 * ((rows - 1 - row) * columns + column) + 3] = level;
      }
    }
    context.putImageData(image, 0, 0);
    lane.replaceChildren(canvas);
  };

  // One step line for each answer that has the word; returns the top of the lane, as a share.
  view.drawAttention = (lane, answers, styles, rows, length) => {
    const inside = (answer, row) => row.filter((_, step) => answer.starts[step] < length);
    const highest = Math.max(0, ...rows.flatMap((row, n) => (row ? inside(answers[n], row) : [])));
    const top = highest > 0 ? rounded(1.04 * highest) : 1;
    const shape = plane();
    rows.forEach((row, index) => {
      if (!row) return;
      const { starts, ends } = answers[index];
      let path = "";
      let area = "";
      row.forEach((share, step) => {
        if (starts[step] >= length) return;
        const from = WIDTH * starts[step] / length;
        const to = WIDTH * Math.min(ends[step], length) / length;
        const height = (HEIGHT * (1 - share / top)).toFixed(2);
        path += `${path ? "L" : "M"}${from.toFixed(2)} ${height}H${to.toFixed(2)}`;
        area += `M${from.toFixed(2)} ${HEIGHT}V${height}H${to.toFixed(2)}V${HEIGHT}Z`;
      });
      // Only one is filled: the colours of several would mix to grey.
      if (index === 0) shape.append(line(area, `lv-area ${styles[index]}`));
      shape.append(line(path, `lv-line ${styles[index]}`));
    });
    lane.replaceChildren(shape);
    return top;
  };

  // The next of 1, 1.5, 2, 3, 4, 5, 6, 8 or 10 times a power of ten.
  function rounded(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    const next = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= value * 0.999);
    return next * power;
  }

  // Labels of the time axis, as many as fit.
  view.drawAxis = (axis, length) => {
    const most = Math.max(2, axis.clientWidth / APART);
    const step = STEPS.find((one) => length / one <= most) ?? length;
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const marks = [];
    for (let number = 0; number * step <= length; number += 1) {
      const time = number * step;
      const mark = make("span", {}, number ? time.toFixed(digits) : "0\u00a0s");
      mark.style.left = `${100 * time / length}%`;
      // A label at the end would stand out of the card.
      if (axis.clientWidth * (1 - time / length) < 14 && number) mark.classList.add("lv-last");
      marks.push(mark);
    }
    axis.replaceChildren(...marks);
  };
}
