// Asking: the question, the panel it goes to, and what that will cost before anything is paid.

import { get, post, unique } from "./api.js";
import { fill, h, say } from "./dom.js";
import { fresh, isOfPreset, keep, kept, requestOf } from "./draft.js";
import { Editor } from "./editor.js";
import { go } from "./route.js";
import { counted, money, rosterWords, short } from "./words.js";

const PAUSE = 250; // ms after the last change
const EXAMPLES = [
  "Compare heat pumps and gas boilers for a house of the 1960s: cost, comfort, emissions.",
  "Is it true that intermittent fasting works better than eating less every day?",
  "Why do estimates of what nuclear power costs differ so much?",
];
const OF_DEMO = [
  "Does a panel of models beat one model asked twice?",
  "How many seats should a panel have?",
  "Can a judge be trusted?",
];
const DEMO = "Offline demo: no language model is asked, sentences come from a small corpus of invented pages. ";
const COARSE = matchMedia("(pointer: coarse)");
let forms = 0;

/** Return what this server offers to ask with. */
export const offer = () => get("/v1/fusion");

/** Return a form that asks, out of what is `offered` here (or its promise); with `previous`, the id of a response, it goes on with that conversation. */
export function askForm({ offered = offer(), draft = null, previous = null, label = "Your question" }) {
  return new AskForm(offered, draft, previous, label).element;
}

class AskForm {
  constructor(offered, draft, previous, label) {
    const id = `ask-${++forms}`;
    Object.assign(this, { previous, isKept: !draft, draft: draft ?? kept(), presets: [] });
    this.question = h("textarea", { id, rows: previous ? 2 : 4, dir: "auto", onkeydown: (event) => this.keys(event) });
    this.question.addEventListener("input", () => (this.once = null));
    this.preset = h("select", { id: `${id}-preset`, onchange: () => this.choose(this.preset.value) });
    this.room = h("div", { id: `${id}-editor`, hidden: true });
    const opens = { type: "button", "aria-expanded": "false", "aria-controls": this.room.id };
    this.change = h("button", { ...opens, onclick: () => this.toggle() }, "Change panel");
    this.ask = h("button", { type: "submit", class: "main" }, "Ask");
    this.roster = h("p", {});
    this.cost = h("p", { class: "muted" });
    this.fault = h("p", { class: "fault", role: "alert" });
    this.examples = h("p", { class: "actions" });
    const panel = h("div", { class: "field" }, h("label", { for: this.preset.id }, "Panel"), this.preset);
    const submit = (event) => {
      event.preventDefault();
      this.submit();
    };
    this.element = h(
      "form",
      { class: "ask", onsubmit: submit },
      h("div", { class: "field" }, h("label", { for: id }, label), this.question),
      h("div", { class: "row" }, panel, this.change, this.ask),
      this.fault,
      this.room,
      h("div", {}, this.roster, this.cost),
      this.examples,
    );
    this.load(offered);
  }

  async load(offered) {
    try {
      this.offer = await offered;
    } catch (error) {
      if (error.status !== 401) say(this.fault, error.message);
      return;
    }
    this.presets = this.offer.presets;
    if (isOfPreset(this.draft, this.presets)) this.draft.custom = null;
    else if (!this.draft.custom) this.draft = { ...fresh(), preset: this.offer.default_preset };
    this.choices();
    this.edit();
    this.estimate();
    if (!this.previous) this.suggest();
  }

  choices() {
    const { draft, presets } = this;
    const own = (seats) => h("option", { value: "", selected: true }, `own panel: ${counted(seats.length, "model")}`);
    const words = ({ name, seats, problem }) =>
      `${name}: ${counted(seats.length, "model")}${problem ? " (not set up)" : ""}`;
    const options = presets.map((preset) => {
      const isChosen = !draft.custom && preset.name === draft.preset;
      return h("option", { value: preset.name, selected: isChosen }, words(preset));
    });
    fill(this.preset, draft.custom ? own(draft.custom.seats) : null, options);
  }

  choose(name) {
    if (!name) return;
    Object.assign(this.draft, { preset: name, custom: null, tools: null });
    this.changed();
    this.edit();
  }

  edit() {
    fill(this.room, new Editor(this.draft, this.offer, () => this.changed()).element);
  }

  suggest() {
    const isDemo = this.presets.find((preset) => preset.name === this.offer.default_preset)?.is_demo;
    const pick = (text) => () => {
      this.question.value = text;
      this.question.focus();
    };
    const button = (text) => h("button", { type: "button", class: "quiet", onclick: pick(text) }, text);
    fill(this.examples, h("span", { class: "muted" }, "Try:"), (isDemo ? OF_DEMO : EXAMPLES).map(button));
  }

  toggle() {
    this.room.hidden = !this.room.hidden;
    this.change.setAttribute("aria-expanded", String(!this.room.hidden));
  }

  changed() {
    this.once = null;
    this.choices();
    if (this.isKept) keep(this.draft);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.estimate(), PAUSE);
  }

  async estimate() {
    const round = (this.round = (this.round ?? 0) + 1);
    try {
      const found = await post("/v1/fusion/estimate", requestOf(this.draft, this.presets));
      if (round !== this.round) return;
      say(this.roster, rosterWords(found.roster));
      say(this.cost, costWords(found));
      this.trouble(found.problem);
    } catch (error) {
      if (round === this.round) this.trouble(error.message);
    }
  }

  /** Say why the panel cannot be asked, and offer the demo, which always can. */
  trouble(problem) {
    const demo = this.presets.find((preset) => preset.is_demo && !preset.problem);
    const use = () => this.choose(demo.name);
    const isOther = demo && demo.name !== this.draft.preset;
    const way = isOther ? h("button", { type: "button", class: "quiet", onclick: use }, "Use the offline demo") : null;
    fill(this.fault, problem ? [problem, " ", way] : null);
  }

  keys(event) {
    if (event.key !== "Enter" || event.isComposing) return;
    const isPlain = !event.shiftKey && !event.altKey && !COARSE.matches;
    if (event.ctrlKey || event.metaKey || isPlain) {
      event.preventDefault();
      this.submit();
    }
  }

  async submit() {
    const text = this.question.value.trim();
    if (!text || this.isSending) {
      this.question.focus();
      return;
    }
    this.isSending = true;
    this.ask.setAttribute("aria-disabled", "true");
    this.once ??= unique(); // asked again after a lost connection, it is one run
    const more = { input: text, background: true };
    if (this.previous) more.previous_response_id = this.previous;
    try {
      const request = requestOf(this.draft, this.presets, more);
      const made = await post("/v1/responses", request, { "idempotency-key": this.once });
      go(`/runs/${made.id}`, { isNew: true });
    } catch (error) {
      say(this.fault, error.message);
    } finally {
      this.isSending = false;
      this.ask.removeAttribute("aria-disabled");
    }
  }
}

function costWords({ text, roster, seconds, max_cost_usd: most, unknown_prices: unknown }) {
  const demo = roster.is_demo ? DEMO : "";
  if (text === "no cost") return `${demo}It costs nothing.`;
  const time = seconds ? `usually ${minutes(seconds)}` : "";
  const stop = most ? `stops spending at ${money(most)}` : "no limit to what it spends";
  const price = text[0].toUpperCase() + text.slice(1);
  const unpriced = unknown.length ? ` No price is known of ${unknown.map(short).join(", ")}.` : "";
  return `${demo}${[price, time, stop].filter(Boolean).join(", ")}.${unpriced}`;
}

function minutes({ low, high }) {
  const words = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
  return words(low) === words(high) ? words(low) : `${words(low)} to ${words(high)}`;
}
