// The panel, to be changed: seats, judge, writer, tools, sites that are out of bounds, budget.

import { rosterOf, TOOLS, toolsOf } from "./draft.js";
import { fill, h } from "./dom.js";
import { picker } from "./picker.js";
import { short } from "./words.js";

let fields = 0;

/** Return a field with its label. */
function field(label, input) {
  input.id = `field-${++fields}`;
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input);
}

/** Return an input that tells its value when it has changed. */
function input(attributes, value, onvalue) {
  const element = h("input", { type: "text", ...attributes, onchange: () => onvalue(element.value.trim()) });
  element.value = value ?? "";
  return element;
}

function checkbox(label, isChecked, onvalue, note = "") {
  const box = h("input", { type: "checkbox", checked: isChecked, onchange: () => onvalue(box.checked) });
  return h("label", { class: "check" }, box, label, note ? h("span", { class: "muted" }, note) : "");
}

/** The editor of a draft; `onchange` hears of every change. */
export class Editor {
  constructor(draft, offer, onchange) {
    Object.assign(this, { draft, offer, onchange });
    this.element = h("div", { class: "editor" });
    this.show();
  }

  get roster() {
    return rosterOf(this.draft, this.offer.presets);
  }

  /** Change a part of the roster, which is the user's own from then on. */
  put(change) {
    this.draft.custom = { ...this.roster, ...change };
    this.onchange();
  }

  set(change) {
    Object.assign(this.draft, change);
    this.onchange();
  }

  show() {
    const { seats, judge, writer } = this.roster;
    const most = this.offer.max_seats;
    const add = h("button", { type: "button", onclick: () => this.add() }, "+ Add a seat");
    const told = h("span", { class: "muted" }, `${seats.length} of ${most}; the same model may sit twice`);
    const judged = picker({ label: "Judge", value: judge, onchange: (name) => this.put({ judge: name }) });
    const hint = "same as judge";
    const written = picker({ label: "Writer", value: writer, hint, onchange: (name) => this.put({ writer: name }) });
    const ask = (approve) => this.set({ approve });
    fill(
      this.element,
      h(
        "fieldset",
        {},
        h("legend", {}, "Seats"),
        seats.map((seat, index) => this.seat(seat, index)),
        h("p", { class: "actions" }, seats.length < most ? add : null, told),
      ),
      h("div", { class: "row" }, judged.element, written.element),
      this.research(),
      checkbox("Ask me again before the panel is paid", this.draft.approve, ask),
    );
  }

  add() {
    const { seats } = this.roster;
    this.reseat([...seats, { model: seats.at(-1)?.model ?? "" }], seats.length);
  }

  /** Take new seats, and put the focus on one of them. */
  reseat(seats, focused) {
    this.put({ seats });
    this.show();
    const places = this.element.querySelectorAll(".place input[role=combobox]");
    places[Math.min(focused, places.length - 1)].focus();
  }

  seat(seat, index) {
    const name = `seat ${index + 1}`;
    const put = (change) =>
      this.put({ seats: this.roster.seats.map((each, place) => (place === index ? { ...each, ...change } : each)) });
    const model = picker({ label: `Seat ${index + 1}`, value: seat.model, onchange: (value) => put({ model: value }) });
    const settings = this.settings(seat, put, name);
    const open = () => {
      settings.hidden = !settings.hidden;
      more.setAttribute("aria-expanded", String(!settings.hidden));
    };
    const more = h("button", { type: "button", "aria-expanded": "false", onclick: open }, `Settings of ${name}`);
    const without = () => this.reseat(this.roster.seats.toSpliced(index, 1), index);
    const remove = h("button", { type: "button", onclick: without }, `Remove ${name}`);
    const isLast = this.roster.seats.length === 1;
    return h(
      "div",
      { class: "place" },
      h("div", { class: "row" }, model.element, more, isLast ? null : remove),
      settings,
    );
  }

  settings(seat, put, name) {
    const number = (key) => (value) => put({ [key]: value === "" ? undefined : Number(value) });
    const steps = { type: "number", min: "1", max: String(this.offer.max_tool_calls), placeholder: "the panel's" };
    const heat = { type: "number", min: "0", max: "2", step: "0.1", placeholder: "the model's" };
    const options = ["", ...this.offer.reasoning].map((effort) =>
      h("option", { value: effort, selected: effort === (seat.reasoning ?? "") }, effort || "as the panel does"),
    );
    const effort = h("select", { onchange: () => put({ reasoning: effort.value || undefined }) }, options);
    const prompt = h("textarea", { rows: 2, onchange: () => put({ system_prompt: prompt.value || undefined }) });
    prompt.value = seat.system_prompt ?? "";
    const called = (value) => put({ name: value || undefined });
    return h(
      "div",
      { class: "own", hidden: true },
      field("Called", input({ placeholder: short(seat.model) }, seat.name, called)),
      field("Tool steps", input(steps, seat.max_tool_calls, number("max_tool_calls"))),
      field("Temperature", input(heat, seat.temperature, number("temperature"))),
      field("Thinks", effort),
      h("div", { class: "wide" }, field(`More for ${name} to go by`, prompt)),
    );
  }

  research() {
    const { draft, offer } = this;
    const use = (name, isUsed) => {
      const others = toolsOf(draft, offer.presets).filter((each) => each !== name);
      this.set({ tools: isUsed ? [...others, name] : others });
    };
    const used = toolsOf(draft, offer.presets);
    const tools = offer.tools.map(({ name, problem }) =>
      checkbox(TOOLS[name], used.includes(name), (isUsed) => use(name, isUsed), problem),
    );
    const exclude = (value) => this.set({ excluded: value.split(/[\s,]+/).filter(Boolean) });
    const limit = { type: "number", min: "0", step: "0.01", inputmode: "decimal", placeholder: "no limit" };
    const spend = (value) => this.set({ budget: Number(value) || null });
    const excluded = input({ placeholder: "example.org, example.com/blog" }, draft.excluded.join(", "), exclude);
    return h(
      "fieldset",
      {},
      h("legend", {}, "Research"),
      h("div", { class: "actions" }, tools),
      h(
        "div",
        { class: "row" },
        field("Never use these sites", excluded),
        field("Stop spending at, in US dollars", input(limit, draft.budget, spend)),
      ),
    );
  }
}
