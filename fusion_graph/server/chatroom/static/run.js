// A run as it stands: what its details and then its events say of it. No element is known here.

import { counted, failure, toolWords } from "./words.js";

const OPEN = new Set(["waiting", "researching", "answering"]);
const TRIES = 3; // the first, and the retries a call gets
const RETRIED = new Set(["rate_limited", "server_error", "connection", "timeout", "empty"]);

/** One place on the panel. `fresh` is text that no view has shown yet, `html` the whole of it from the server. */
class Seat {
  constructor({ seat, model, name, max_tool_calls: most }) {
    Object.assign(this, { number: seat, model, name: name || model, most, html: null });
    this.restart();
  }

  restart() {
    Object.assign(this, {
      state: "waiting",
      detail: "",
      began: null,
      ended: null,
      tools: [],
      calls: new Map(),
      text: "",
      fresh: "",
      thoughts: "",
      thinks: 0,
      thinksSince: null,
      isNew: true,
    });
  }

  get isOver() {
    return !OPEN.has(this.state);
  }

  get hasAnswer() {
    return ["answered", "answered early", "stopped"].includes(this.state);
  }

  get steps() {
    return [...this.calls.values()].filter((call) => call.outcome === "tool_calls").length;
  }

  thinking(at) {
    return this.thinks + (this.thinksSince ? Math.max(0, at - this.thinksSince) : 0);
  }

  stopsThinking(at) {
    this.thinks = this.thinking(at);
    this.thinksSince = null;
  }

  ends(state, at, detail = "") {
    this.stopsThinking(at);
    Object.assign(this, { state, ended: at, detail });
  }
}

/** A run. `take` an event, and it returns the milestone that this is, "" for none. */
export class Run {
  constructor(details) {
    this.id = details.id;
    this.began = details.created_at;
    this.seq = -1;
    this.judge = details.roster.judge;
    this.isDemo = details.roster.is_demo;
    this.seats = new Map(details.roster.seats.map((seat) => [seat.seat, new Seat(seat)]));
    this.calls = new Map();
    this.comparison = { state: "waiting", disagreements: 0 };
    this.answer = { state: "waiting", text: "", fresh: "", isNew: false };
    this.isOver = false;
    this.learn(details);
  }

  /** Take over what the server has put together meanwhile: whole answers of seats, as markup. */
  learn(details) {
    this.fused = details.fused || details.roster.mode !== "never";
    for (const call of details.calls) this.#called(call);
    for (const found of details.seats) {
      const seat = this.seats.get(found.seat);
      if (!seat || found.state === "waiting") continue;
      seat.ends(
        found.state,
        seat.ended ?? (seat.began ?? 0) + (found.seconds ?? 0),
        found.error ? failure(found.error) : counted(found.sources.length, "source"),
      );
      Object.assign(seat, { html: found.html, found });
    }
  }

  get answered() {
    return [...this.seats.values()].filter((seat) => seat.hasAnswer).length;
  }

  get waiting() {
    return [...this.seats.values()].filter((seat) => !seat.isOver).length;
  }

  /** Where the run is: panel, comparison, answer. */
  get step() {
    if (!this.fused) return "answer";
    if (this.answer.state !== "waiting") return "answer";
    return this.comparison.state === "waiting"
      ? "panel"
      : this.comparison.state === "comparing"
        ? "comparison"
        : "answer";
  }

  take(event) {
    this.seq = event.sequence_number ?? this.seq;
    const kind = event.type.replace(/^response\./, "");
    return FOLDS[kind]?.(this, event) ?? "";
  }

  /** Return the seat that an event is about; one that nobody told of takes its place. */
  seat(event) {
    const number = event.panel_index + 1;
    if (!this.seats.has(number))
      this.seats.set(number, new Seat({ seat: number, model: event.model, max_tool_calls: 0 }));
    const seat = this.seats.get(number);
    seat.isChanged = true;
    return seat;
  }

  called(call) {
    this.#called(call);
    const seat = this.seats.get(call.seat);
    if (!seat || seat.isOver || !call.error) return;
    const next = call.attempt + 1;
    const retry = RETRIED.has(call.outcome) && next <= TRIES ? `retry ${next} of ${TRIES} after ` : "";
    Object.assign(seat, { state: "waiting", detail: retry + failure(call.error), isChanged: true });
  }

  #called(call) {
    this.calls.set(call.id, call);
    if (call.seat) this.seats.get(call.seat)?.calls.set(call.id, call);
  }
}

const FOLDS = {
  "fusion_call.panel.added": (run, event) => {
    const seat = run.seat(event);
    if (seat.isOver) return;
    if (seat.began) seat.restart(); // what was lost is told anew
    Object.assign(seat, { began: event.at, detail: "for the model" });
  },
  "fusion_call.panel.reasoning.delta": (run, event) => {
    const seat = run.seat(event);
    seat.thoughts += event.delta;
    if (seat.isOver) return;
    seat.thinksSince ??= event.at;
    if (seat.state === "waiting") seat.detail = "thinking";
  },
  "fusion_call.panel.delta": (run, event) => {
    const seat = run.seat(event);
    if (seat.isOver) return;
    seat.stopsThinking(event.at);
    seat.text += event.delta;
    seat.fresh += event.delta;
    Object.assign(seat, { state: "answering", detail: "" });
  },
  "fusion_call.panel.tool.called": (run, event) => {
    const seat = run.seat(event);
    if (seat.isOver) return;
    seat.stopsThinking(event.at);
    seat.tools.push({ id: event.tool_call_id, words: toolWords(event.tool, event.target), isDone: false });
    Object.assign(seat, { state: "researching", detail: "" });
  },
  "fusion_call.panel.tool.completed": (run, event) => {
    const tool = run.seat(event).tools.findLast((each) => each.id === event.tool_call_id);
    if (tool) Object.assign(tool, { isDone: true, error: event.error ?? "", found: event.sources.length });
  },
  "fusion_call.panel.completed": (run, event) => {
    const seat = run.seat(event);
    if (!seat.text) Object.assign(seat, { text: event.content, fresh: event.content });
    if (!seat.isOver) seat.ends(event.partial ? "stopped" : "answered", event.at, event.error ?? "");
    return `${run.answered} of ${run.seats.size} answered`;
  },
  "fusion_call.panel.failed": (run, event) => {
    const seat = run.seat(event);
    const detail = failure({ message: event.error, status_code: event.status_code });
    if (!seat.isOver) seat.ends("failed", event.at, detail);
    return `seat ${seat.number} failed: ${detail}`;
  },
  "fusion_call.ledger": (run, event) => run.called(event.call),
  "fusion_call.analysis.in_progress": (run, event) => {
    Object.assign(run.comparison, { state: "comparing", began: event.at });
  },
  "fusion_call.analysis.completed": (run, event) => {
    Object.assign(run.comparison, { state: "ready", disagreements: event.analysis.contradictions.length });
    return `comparison ready: ${counted(run.comparison.disagreements, "disagreement")}`;
  },
  "fusion_call.completed": (run) => {
    if (run.comparison.state === "ready") return;
    run.comparison.state = "absent";
    return "no comparison";
  },
  "output_item.added": (run, event) => {
    if (event.item.type !== "message") return;
    Object.assign(run.answer, { state: "writing", text: "", fresh: "", isNew: true });
    return "the answer is being written";
  },
  "output_text.delta": (run, event) => {
    run.answer.text += event.delta;
    run.answer.fresh += event.delta;
  },
  completed: (run) => {
    run.isOver = true;
  },
  failed: (run) => {
    run.isOver = true;
  },
  incomplete: (run) => {
    run.isOver = true;
  },
};
