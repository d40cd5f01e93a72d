// What the run cost: by model with bars, and call by call.

import { fill, h, section } from "./dom.js";
import { cell, counted, failure, listed, money, spent } from "./words.js";

/** The section of the costs. */
export class CostView {
  constructor() {
    Object.assign(this, section("cost", "Cost"));
    this.element.hidden = true;
  }

  finish(details) {
    const { calls, cost } = details;
    this.element.hidden = !calls.length;
    if (!calls.length) return;
    const total = h(
      "p",
      {},
      `Paid by this run: ${money(cost.paid_usd, cost.paid_is_lower_bound)}`,
      cost.paid_usd === cost.cost_usd
        ? ""
        : `, with what it took over ${money(cost.cost_usd, cost.cost_is_lower_bound)}`,
      `; ${counted(calls.length, "call")}, ${cost.input_tokens.toLocaleString("en")} tokens read, ${cost.output_tokens.toLocaleString("en")} written.`,
    );
    fill(
      this.body,
      total,
      byModel(calls),
      h(
        "details",
        {},
        h("summary", {}, "Every call"),
        scroll(
          "Every call",
          table(["Call", "Model", "What became of it", "Read", "Written", "Time", "Cost"], calls.map(row)),
        ),
      ),
    );
  }
}

const scroll = (label, content) =>
  h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
const who = (call) => (call.seat ? `seat ${call.seat}` : call.role);

function byModel(calls) {
  const groups = new Map();
  for (const call of calls) groups.set(call.model, [...(groups.get(call.model) ?? []), call]);
  const rows = [...groups].map(([model, own]) => ({ model, ...spent(own), roles: [...new Set(own.map(who))] }));
  const most = Math.max(...rows.map((each) => each.cost ?? 0)) || 1;
  const bar = (cost) => {
    const filled = h("span", {});
    filled.style.inlineSize = `${Math.round(((cost ?? 0) / most) * 100)}%`;
    return h("span", { class: "bar", "aria-hidden": "true" }, filled);
  };
  const body = rows
    .sort((a, b) => (b.cost ?? 0) - (a.cost ?? 0))
    .map(({ model, roles, cost, isLowerBound }) => [model, listed(roles), cell(cost, isLowerBound), bar(cost)]);
  return scroll("Cost by model", table(["Model", "As", "Cost", ""], body));
}

function row(call) {
  const tokens = (side) => (call.tokens ? call.tokens[side].toLocaleString("en") : "–");
  const outcome = call.error
    ? failure(call.error)
    : call.repeated || !call.outcome
      ? "cut off, made again"
      : call.outcome.replaceAll("_", " ");
  const note = [
    call.attempt > 1 ? `try ${call.attempt}` : "",
    call.own ? "" : "taken over",
    call.cost_source ? "" : call.cost_usd === null ? "no price known" : "",
  ]
    .filter(Boolean)
    .join(", ");
  const seconds = call.duration_seconds === null ? "–" : `${call.duration_seconds.toFixed(1)} s`;
  return [
    who(call),
    call.model,
    note ? `${outcome} (${note})` : outcome,
    tokens("input"),
    tokens("output"),
    seconds,
    cell(call.cost_usd),
  ];
}

function table(heads, rows) {
  const isFigure = (head) => ["Read", "Written", "Time", "Cost"].includes(head);
  const kind = (index) => (isFigure(heads[index]) ? "figure" : null);
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head, index) => h(head ? "th" : "td", { class: kind(index), scope: head ? "col" : null }, head)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((cells) =>
        h(
          "tr",
          {},
          cells.map((content, index) =>
            h(index ? "td" : "th", { class: kind(index), scope: index ? null : "row" }, content),
          ),
        ),
      ),
    ),
  );
}
