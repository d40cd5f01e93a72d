// The panel: columns to watch, one line a seat when that is over, and one seat opened to be read.

import { append, fill, following, goTo, h, isSelected, rendered, say } from "./dom.js";
import { cell, clock, short, spent } from "./words.js";

const NARROW = matchMedia("(max-width: 47.99rem)");
const SHOWN = 2; // tool lines of a seat in a column

/** Columns for so many seats: four at most in a row, none left alone. */
const columns = (seats) => (seats <= 4 ? seats : seats <= 6 ? 3 : 4);

class SeatView {
  constructor(seat, panel) {
    const id = `seat-${seat.number}`;
    Object.assign(this, { seat, panel, isOpen: false, isTouched: false, shownTools: -1, fresh: true });
    this.dot = h("span", { class: "dot", "aria-hidden": "true" });
    this.state = h("span", { class: "state" });
    this.button = h(
      "button",
      {
        type: "button",
        class: "name",
        id,
        "aria-expanded": "false",
        "aria-controls": `${id}-body`,
        title: seat.model,
        onclick: () => panel.toggle(this),
      },
      h("span", { class: "number" }, String(seat.number)),
      " ",
      h("span", { class: "model" }, seat.name === seat.model ? short(seat.model) : seat.name),
    );
    this.figures = h("span", { class: "figures" });
    this.tools = h("ul", { class: "tools" });
    this.thoughts = h("div", { class: "thoughts" });
    this.thinkWord = h("summary", {});
    this.thinking = h("details", { hidden: true, ontoggle: () => this.think() }, this.thinkWord, this.thoughts);
    this.text = h("div", { class: "text", dir: "auto" });
    this.more = h("div", { class: "more" });
    this.body = h(
      "div",
      {
        class: "body",
        tabindex: "0",
        role: "region",
        "aria-label": `Text of seat ${seat.number}`,
        "aria-busy": "true",
      },
      this.text,
    );
    const pinned = following(this.body);
    this.follow = pinned.follow;
    this.back = h(
      "button",
      { type: "button", class: "quiet close", onclick: () => panel.toggle(this) },
      `Close seat ${seat.number}`,
    );
    this.inside = h(
      "div",
      { class: "inside", id: `${id}-body` },
      this.tools,
      this.thinking,
      this.body,
      pinned.back,
      this.more,
      this.back,
    );
    this.element = h(
      "section",
      { class: "seat", "aria-labelledby": id },
      h("h3", {}, this.button),
      h("p", { class: "line" }, this.dot, this.state, this.figures),
      this.inside,
    );
    for (const kind of ["wheel", "touchmove", "pointerdown", "focusin"]) {
      this.inside.addEventListener(
        kind,
        () => {
          this.isTouched = true;
        },
        { passive: true },
      );
    }
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) panel.toggle(this);
    });
  }

  /** Show what has come since the last time; return whether there was text. */
  flush() {
    const { seat } = this;
    if (seat.isNew) {
      seat.isNew = false;
      fill(this.text);
    }
    if (seat.thoughts.length !== this.thoughtChars) this.think();
    if (!seat.fresh) return false;
    if (!this.isFinal) append(this.text, seat.fresh);
    seat.fresh = "";
    return true;
  }

  think() {
    const { seat } = this;
    this.thinking.hidden = !seat.thoughts;
    if (!this.thinking.open || this.thoughtChars === seat.thoughts.length) return;
    say(this.thoughts, seat.thoughts);
    this.thoughtChars = seat.thoughts.length;
  }

  /** Show state and figures as they are at a moment. */
  update(at) {
    const { seat } = this;
    seat.isChanged = false;
    this.element.dataset.state = seat.state;
    this.dot.className = `dot ${seat.state.split(" ")[0]}`;
    say(this.state, seat.detail && !seat.state.startsWith("answered") ? `${seat.state}: ${seat.detail}` : seat.state);
    const seconds = seat.began === null ? seat.found?.seconds : (seat.ended ?? at) - seat.began;
    const { cost, isLowerBound } = spent([...seat.calls.values()]);
    const parts = [
      seconds === null || seconds === undefined ? "" : clock(seconds),
      seat.steps ? `${seat.steps}${seat.most ? `/${seat.most}` : ""} tool steps` : "",
      seat.calls.size ? cell(cost, isLowerBound) : "",
      seat.state.startsWith("answered") ? seat.detail : "",
    ];
    say(this.figures, parts.filter(Boolean).join(" · "));
    if (seat.thoughts) say(this.thinkWord, `thinking ${Math.round(seat.thinking(at))} s`);
    this.showTools();
    if (seat.isOver) this.finish();
  }

  showTools() {
    const { tools } = this.seat;
    const version =
      tools.filter((tool) => tool.isDone).length +
      tools.length * 1000 +
      (this.isOpen ? 1e6 : 0) +
      (this.seat.isOver ? 2e6 : 0);
    if (version === this.shownTools) return;
    this.shownTools = version;
    const shown = this.isOpen ? tools : tools.slice(-SHOWN);
    fill(
      this.tools,
      shown.map((tool) =>
        h(
          "li",
          {
            dir: "auto",
            class: tool.error ? "bad" : tool.isDone || this.seat.isOver ? null : "now",
            title: tool.words,
          },
          tool.words,
          tool.error ? h("span", { class: "why" }, ` ${tool.error}`) : "",
        ),
      ),
    );
  }

  /** Put the whole text, as the server has rendered it, in the place of the raw one; not under a reader's selection. */
  finish() {
    const { seat } = this;
    this.body.setAttribute("aria-busy", "false");
    if (seat.html === null || this.isFinal || isSelected(this.body)) return;
    this.isFinal = true;
    const found = seat.found ?? {};
    fill(
      this.text,
      seat.html
        ? rendered("div", { class: "prose" }, seat.html)
        : h("p", { class: "muted" }, found.error ? found.error.message : "No text."),
    );
    fill(this.more, [
      found.answered_by ? h("p", {}, `Answered by ${found.answered_by} in its place.`) : null,
      ...(found.notes ?? []).map((note) => h("p", {}, note)),
      found.error && seat.html ? h("p", {}, found.error.message) : null,
      found.tool_calls?.requested
        ? h(
            "p",
            {},
            `Tools: ${
              Object.entries(found.tool_calls.by_tool)
                .map(([name, number]) => {
                  const failed = found.tool_calls.failed?.[name];
                  return `${name} ${number}${failed ? ` (${failed} failed)` : ""}`;
                })
                .join(", ") || "none run"
            }`,
          )
        : null,
      found.files?.length
        ? h(
            "p",
            {},
            `Files: ${found.files.map((file) => file.path).join(", ")}${found.more_files ? ` and ${found.more_files} more` : ""}`,
          )
        : null,
      h("p", { class: "muted" }, seat.model),
    ]);
  }
}

/** The section of the panel. */
export class PanelView {
  constructor(run) {
    this.run = run;
    this.seats = new Map();
    this.isFolded = false;
    this.grid = h("div", { class: "seats" });
    this.element = h(
      "section",
      { class: "panel", "aria-labelledby": "h-panel" },
      h("h2", { id: "h-panel" }, "Panel"),
      this.grid,
    );
    NARROW.addEventListener("change", () => this.arrange());
    this.update(run.began);
  }

  /** On a phone one seat is watched, the others are lines. */
  watch() {
    const first = this.seats.values().next().value;
    if (!NARROW.matches || !first || this.isFolded) return;
    first.isOpen = true;
    this.arrange();
  }

  /** Show one line for each seat, unless somebody is reading in there. */
  fold() {
    const views = [...this.seats.values()];
    if (this.isFolded || views.some((view) => view.isTouched)) return;
    for (const view of views) view.isOpen = false;
    this.isFolded = true;
    this.arrange();
  }

  /** Show columns again: the run goes on. */
  unfold() {
    this.isFolded = false;
    this.arrange();
  }

  toggle(view) {
    if (!view) return;
    view.isTouched = true;
    view.isOpen = !view.isOpen;
    if (view.isOpen) {
      for (const other of this.seats.values()) {
        if (other !== view) other.isOpen = false;
      }
      this.place = scrollY;
    }
    this.arrange();
    if (view.isOpen) view.button.scrollIntoView({ block: "nearest" });
    else {
      view.button.focus({ preventScroll: true });
      if (this.place !== undefined) scrollTo({ top: this.place });
    }
  }

  /** Open a seat, and take the reader there. */
  show(number) {
    const view = this.seats.get(number);
    if (!view) return;
    if (!view.isOpen) this.toggle(view);
    goTo(view.button);
  }

  arrange() {
    const views = [...this.seats.values()];
    const isList = this.isFolded || NARROW.matches || views.some((view) => view.isOpen);
    this.grid.dataset.mode = isList ? "lines" : "columns";
    this.grid.dataset.many = String(views.length > 3);
    this.grid.style.setProperty("--cols", columns(views.length));
    for (const view of views) {
      view.element.dataset.open = String(view.isOpen);
      view.button.setAttribute("aria-expanded", String(view.isOpen));
      view.inside.hidden = isList && !view.isOpen;
      view.back.hidden = !view.isOpen;
      view.showTools();
    }
  }

  flush(at) {
    if (this.run.seats.size > this.seats.size) this.update(at);
    for (const view of this.seats.values()) if (view.seat.isChanged) view.update(at);
    const moved = [...this.seats.values()].filter((view) => view.flush());
    for (const view of moved) {
      if (!view.inside.hidden) view.follow();
    }
  }

  update(at) {
    for (const seat of this.run.seats.values()) {
      if (this.seats.has(seat.number)) continue;
      const view = new SeatView(seat, this);
      this.seats.set(seat.number, view);
      this.grid.append(view.element);
      this.arrange();
    }
    for (const view of this.seats.values()) view.update(at);
  }
}
