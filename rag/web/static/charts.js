/** Charts of a day, hour by hour, as SVG without a style of its own; each with a table that says the same. */

import { element, language, say } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150;
const EDGE = { left: 44, bottom: 22, top: 8 };
const OUTCOMES = ["answered", "extracts", "nothing_found", "unsupported", "link_only", "incomplete"];

/** How many answers ended in which way. */
export function outcomes(figure, hours) {
  const sums = hours.map((hour) => OUTCOMES.reduce((sum, name) => sum + (hour.outcomes[name] ?? 0), 0));
  const total = sums.reduce((sum, one) => sum + one, 0);
  const canvas = blank(figure, say("chart_outcomes", { n: total }));
  const scale = axis(canvas, Math.max(1, ...sums), hours);
  hours.forEach((hour, at) => {
    let height = 0;
    for (const name of OUTCOMES) {
      const many = hour.outcomes[name] ?? 0;
      if (!many) continue;
      const box = { x: scale.x(at) + 1, y: scale.y(height + many), width: Math.max(scale.step - 2, 1) };
      draw(canvas, "rect", { ...box, height: scale.y(height) - scale.y(height + many), class: `out-${name}` });
      height += many;
    }
  });
  const there = OUTCOMES.filter((name) => hours.some((hour) => hour.outcomes[name]));
  legend(figure, there.map((name) => [`out-${name}`, say(`outcome_${name}`)]));
  table(figure, [say("hour"), ...there.map((name) => say(`outcome_${name}`))], hours.filter((_, at) => sums[at]), (hour) =>
    there.map((name) => String(hour.outcomes[name] ?? 0)),
  );
}

/** How long answers took: median and 95th percentile of their seconds. */
export function latency(figure, hours) {
  const lines = [["p50", "total_s"], ["p95", "total_s"]];
  const slowest = Math.max(0, ...hours.map((hour) => hour.total_s?.p95 ?? 0));
  const canvas = blank(figure, say("chart_latency", { n: seconds(slowest) }));
  const scale = axis(canvas, slowest || 1, hours);
  for (const [rank, what] of lines) {
    let path = "";
    hours.forEach((hour, at) => {
      const value = hour[what]?.[rank];
      if (value === undefined) return;
      const [x, y] = [scale.x(at) + scale.step / 2, scale.y(value)];
      const joined = hours[at - 1]?.[what];
      path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      draw(canvas, "circle", { cx: x, cy: y, r: 2.5, class: `dot-${rank}` });
    });
    draw(canvas, "path", { d: path, class: `line-${rank}` });
  }
  legend(figure, lines.map(([rank]) => [`dot-${rank}`, say(`rank_${rank}`)]));
  const head = [say("hour"), say("rank_p50"), say("rank_p95"), say("rank_found")];
  table(figure, head, hours.filter((hour) => hour.total_s), ({ total_s, found_s }) =>
    [total_s.p50, total_s.p95, found_s.p95].map((value) => say("seconds", { n: seconds(value) })),
  );
}

function seconds(value) {
  return value.toLocaleString(language, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function clock(iso) {
  return new Date(iso).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
}

function blank(figure, said) {
  const width = Math.max(280, Math.round(figure.clientWidth));
  const canvas = document.createElementNS(SVG, "svg");
  set(canvas, { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": said, class: "chart" });
  figure.querySelector(".canvas").replaceChildren(canvas);
  return Object.assign(canvas, { across: width });
}

/** Lines and figures at the side, hours below; gives the scale. */
function axis(canvas, most, hours) {
  const top = nice(most);
  const [low, high] = [HEIGHT - EDGE.bottom, EDGE.top];
  const step = (canvas.across - EDGE.left) / hours.length;
  const scale = { step, x: (at) => EDGE.left + at * step, y: (value) => low - ((low - high) * value) / top };
  for (const value of [0, top / 2, top]) {
    draw(canvas, "path", { d: `M${EDGE.left} ${scale.y(value)}H${canvas.across}`, class: "grid" });
    const words = value.toLocaleString(language, { maximumFractionDigits: 1 });
    draw(canvas, "text", { x: EDGE.left - 8, y: scale.y(value) + 4, "text-anchor": "end" }).textContent = words;
  }
  const every = canvas.across < 500 ? 6 : 3;
  hours.forEach(({ began }, at) => {
    if (at % every === 0) draw(canvas, "text", { x: scale.x(at), y: HEIGHT - 5 }).textContent = clock(began);
  });
  return scale;
}

/** A round number at or above this one, whose half is round too. */
function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((value) => value >= most);
}

function draw(canvas, name, values) {
  return set(canvas.appendChild(document.createElementNS(SVG, name)), values);
}

function set(made, values) {
  for (const [name, value] of Object.entries(values)) made.setAttribute(name, String(value));
  return made;
}

function legend(figure, entries) {
  const list = figure.querySelector(".legend");
  list.replaceChildren(
    ...entries.map(([name, words]) => {
      const made = element("li", "", words);
      const swatch = document.createElementNS(SVG, "svg");
      set(swatch, { viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" });
      draw(swatch, "rect", { width: 10, height: 10, rx: 2, class: name });
      made.prepend(swatch);
      return made;
    }),
  );
}

/** The same figures for who reads rather than sees: a row for each hour that had any. */
function table(figure, head, hours, cells) {
  const made = figure.querySelector("table");
  const top = element("tr");
  for (const name of head) top.append(Object.assign(element("th", "number", name), { scope: "col" }));
  const rows = hours.map((hour) => {
    const row = element("tr");
    row.append(Object.assign(element("th", "number", clock(hour.began)), { scope: "row" }));
    for (const value of cells(hour)) row.append(element("td", "number", value));
    return row;
  });
  made.tHead.replaceChildren(top);
  made.tBodies[0].replaceChildren(...rows);
  figure.querySelector("details").hidden = rows.length === 0;
}
