// The runs there are: newest first, those under way before all others, forks under what they come from.

import { get } from "./api.js";
import { fill, h, say } from "./dom.js";
import { age, cell, counted, STATUS } from "./words.js";

const EVERY = 4000; // ms, while some run is under way
const PAGE = 50;

/** Return a list of runs that stays current until `signal` ends it. */
export function runList({ limit = PAGE, signal, isWhole = false }) {
  const list = h("ul", { class: "runs" });
  const none = h("p", { class: "muted", hidden: true });
  const more = h("button", { type: "button", hidden: true, onclick: () => load({ isMore: true }) }, "Older runs");
  const filter = h("input", {
    type: "search",
    id: "filter",
    oninput: () => {
      clearTimeout(filter.timer);
      filter.timer = setTimeout(load, 250);
    },
  });
  const count = h("span", { class: "unseen", role: "status" });
  let rows = [];

  async function load({ isMore = false } = {}) {
    const words = filter.value.trim();
    const after = isMore && rows.length ? `&after=${rows.at(-1).id}` : "";
    const wanted = isMore || !isWhole ? limit : Math.max(limit, rows.length);
    try {
      const found = await get(`/v1/responses?limit=${Math.min(wanted, 100)}&q=${encodeURIComponent(words)}${after}`);
      if (signal.aborted) return;
      rows = isMore ? [...rows, ...found.data] : found.data;
      more.hidden = !isWhole || !found.has_more;
      show(words);
    } catch (error) {
      if (!signal.aborted && error.status !== 401) {
        none.hidden = false;
        say(none, error.message);
      }
    }
  }

  function show(words) {
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    fill(
      list,
      ordered(rows).map(([row, isFork]) => item(row, isFork)),
    );
    if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    none.hidden = rows.length > 0;
    say(none, words ? `No run's question holds ${words}.` : "Nothing has been asked yet.");
    if (words) say(count, counted(rows.length, "run"));
  }

  const timer = setInterval(() => {
    if (!document.hidden && rows.some((row) => row.status === "running")) load();
  }, EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
  load();
  const search = isWhole
    ? h("div", { class: "field" }, h("label", { for: "filter" }, "Filter by words of the question"), filter, count)
    : null;
  return h("div", { class: "history" }, search, list, none, h("p", {}, more));
}

function ordered(rows) {
  const known = new Set(rows.map((row) => row.id));
  const forks = new Map();
  for (const row of rows)
    if (known.has(row.parent_id)) forks.set(row.parent_id, [...(forks.get(row.parent_id) ?? []), row]);
  const roots = rows.filter((row) => !known.has(row.parent_id));
  const family = (row, isFork) => [[row, isFork], ...(forks.get(row.id) ?? []).flatMap((fork) => family(fork, true))];
  const isUnderWay = (row) =>
    Number(family(row, false).some(([each]) => ["running", "interrupted"].includes(each.status)));
  return roots.sort((a, b) => isUnderWay(b) - isUnderWay(a)).flatMap((row) => family(row, false));
}

function item(row, isFork) {
  const facts = [
    row.is_demo ? "demo" : row.preset,
    row.seats ? `${row.answered}/${row.seats}` : "",
    cell(row.cost_usd, row.cost_is_lower_bound),
    age(row.created_at),
  ];
  return h(
    "li",
    { class: isFork ? "fork" : null },
    h("span", {}, h("span", { class: `dot ${row.status}`, "aria-hidden": "true" }), STATUS[row.status]),
    h(
      "a",
      { href: `/runs/${row.id}`, dir: "auto", title: row.question },
      isFork ? `Version: ${row.question}` : row.question || "(no question)",
    ),
    h("span", { class: "muted" }, facts.filter(Boolean).join(" · ")),
  );
}
