// What can be made anew of a run without paying for all of it again; and its versions, one beside another.

import { get, post, unique } from "./api.js";
import { button, fill, h, rendered, say } from "./dom.js";
import { picker } from "./picker.js";
import { go } from "./route.js";
import { counted, money, short } from "./words.js";

/** Return the section that makes a run anew, and the buttons for one that came short. */
export function redoSection(details) {
  const { id, roster, seats } = details;
  const failed = seats.filter((seat) => !seat.text && seat.error).map((seat) => seat.seat);
  const ways = [
    ["Write again", { writer: roster.writer }],
    ["Compare again", { judge: roster.judge }],
    failed.length
      ? [`Retry ${failed.length === 1 ? "seat" : "seats"} ${failed.join(", ")}`, { retry_failed: true }]
      : null,
  ].filter(Boolean);
  const kept = seats.some((seat) => seat.text);
  const usable = details.fused && kept ? ways : ways.filter(([, change]) => change.retry_failed);
  const element = h(
    "section",
    { "aria-labelledby": "h-redo" },
    h("h2", { id: "h-redo" }, "Do part of it again"),
    h("p", { class: "muted" }, "Each makes a new version. What is not named is not paid again."),
    h(
      "p",
      { class: "actions" },
      usable.map(([label, change]) => redo(id, label, change)),
    ),
    kept ? fork(details) : null,
  );
  const repairs = () =>
    usable.filter(([label]) => !label.startsWith("Write")).map(([label, change]) => redo(id, label, change));
  return { element: usable.length || kept ? element : null, repairs };
}

/** Return a button that says what it will cost as soon as the server has said so. */
function redo(id, label, change) {
  const element = button(label, () => start(id, change));
  post(`/v1/responses/${id}/fork`, { ...change, estimate: true }).then(
    (estimate) => {
      element.append(` · ${price(estimate)}`);
      element.title = estimate.text;
    },
    (error) => {
      if (error.status === 400) element.hidden = true; // there is nothing to do again
    },
  );
  return element;
}

const price = (estimate) => estimate.text.split(" · ").at(-1);

async function start(id, change) {
  const made = await post(`/v1/responses/${id}/fork`, change, { "idempotency-key": unique() });
  go(`/runs/${made.id}`, { isNew: true });
}

function fork(details) {
  const { id, roster } = details;
  const told = h("p", { class: "muted", role: "status" }, "Name another judge or writer, or one more seat.");
  const judge = picker({ label: "Another judge", value: roster.judge, onchange: estimate });
  const writer = picker({ label: "Another writer", value: roster.writer, onchange: estimate });
  const seat = picker({ label: "One more seat", value: "", onchange: estimate });
  const change = () => ({
    ...(judge.value && judge.value !== roster.judge ? { judge: judge.value } : {}),
    ...(writer.value && writer.value !== roster.writer ? { writer: writer.value } : {}),
    ...(seat.value ? { add_seats: [seat.value] } : {}),
  });
  async function estimate() {
    const wanted = change();
    if (!Object.keys(wanted).length) return say(told, "Name another judge or writer, or one more seat.");
    const found = await post(`/v1/responses/${id}/fork`, { ...wanted, estimate: true }).catch((error) => ({
      text: error.message,
    }));
    return say(told, found.text);
  }
  return h(
    "details",
    { class: "fork" },
    h("summary", {}, "With another judge, writer or seat"),
    h(
      "div",
      { class: "editor" },
      h("div", { class: "row" }, judge.element, writer.element, seat.element),
      told,
      h(
        "p",
        {},
        button("Make this version", () => start(id, change()), { class: "main" }),
      ),
    ),
  );
}

/** Return the links to a run's versions and in what this one differs from the first. */
export function versionsNav(details) {
  const { versions, id } = details;
  if (versions.length < 2) return null;
  const place = versions.findIndex((version) => version.id === id);
  const here = versions[place];
  const parent = versions.find((version) => version.id === details.parent_id) ?? versions[0];
  const changed = ["judge", "writer"]
    .filter((role) => here[role] !== parent[role])
    .map((role) => `${role} ${short(here[role])} instead of ${short(parent[role])}`);
  if (here.seats !== parent.seats) changed.push(`${here.seats} seats instead of ${parent.seats}`);
  const words =
    here === parent
      ? ""
      : `: ${changed.join(", ") || "made again"}. ${counted(parent.answered, "answer")} taken over, not paid again. +${money(here.paid_usd)}`;
  const links = versions.map((version, index) =>
    h("a", { href: `/runs/${version.id}`, "aria-current": version.id === id ? "page" : null }, `Version ${index + 1}`),
  );
  const other = versions[place ? place - 1 : 1];
  return h(
    "nav",
    { "aria-label": "Versions" },
    h("p", {}, `Version ${place + 1} of ${versions.length}${words}`),
    h(
      "p",
      { class: "actions" },
      links,
      h("a", { href: `/runs/${place ? other.id : id}?with=${place ? id : other.id}` }, "Side by side"),
    ),
  );
}

/** Show two versions beside one another. */
export async function sidePage(main, { id, other, signal }) {
  const [details, found] = await Promise.all([
    get(`/v1/responses/${id}/details`),
    get(`/v1/responses/${id}/differences/${other}`),
  ]);
  if (signal.aborted) return;
  const number = (side) => details.versions.findIndex((version) => version.id === side.id) + 1;
  const columns = [found.a, found.b].map((side) => version(side, number(side), details));
  const both = h("div", { class: "two" }, columns);
  const marks = h("input", {
    type: "checkbox",
    checked: true,
    onchange: () => both.classList.toggle("unmarked", !marks.checked),
  });
  document.title = `Side by side · ${details.question}`;
  fill(
    main,
    h(
      "article",
      { class: "run" },
      h("h1", { tabindex: "-1", dir: "auto" }, details.question),
      h(
        "p",
        { class: "actions" },
        h("a", { href: `/runs/${id}` }, "Back to the run"),
        h("label", { class: "check" }, marks, "Mark differences"),
      ),
      both,
    ),
  );
  main.querySelector("h1").focus({ preventScroll: true });
}

function version(side, number, details) {
  const known = details.versions.find((each) => each.id === side.id);
  const counts = side.agree === null ? "no comparison" : `${side.agree} agree, ${side.disagree} disagree`;
  const paid = known ? money(known.paid_usd) : "";
  const judge = `judge ${short(side.judge)}, writer ${short(side.writer)}`;
  const prose = rendered("div", { class: "prose" }, side.html || "<p>There is no answer.</p>");
  for (const cited of prose.querySelectorAll("a.cite[data-source]"))
    cited.href = `/runs/${side.id}#source-${cited.dataset.source}`;
  const head = h("h2", {}, h("a", { href: `/runs/${side.id}` }, number ? `Version ${number}` : side.id));
  return h(
    "section",
    { "aria-label": `Version ${number}` },
    head,
    h("p", { class: "muted" }, [judge, paid, counts].filter(Boolean).join(" · ")),
    prose,
  );
}
