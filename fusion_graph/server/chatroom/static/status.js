// Where a run is, and how it ended.

import { banner, fill, h, say } from "./dom.js";
import { clock, counted, money, spent, STATUS } from "./words.js";

/** Where the run is, its time and cost, and what can be done about it. */
export class StatusView {
  constructor(run) {
    this.run = run;
    this.steps = ["panel", "comparison", "answer"].map((name) => h("li", { "data-step": name }));
    this.figures = h("span", { class: "figures" });
    this.buttons = h("span", { class: "actions" });
    this.banners = h("div", { class: "banners" });
    this.link = h("div", {});
    this.bar = h("div", { class: "bar-of-run" }, this.figures, this.buttons);
    this.element = h(
      "section",
      { class: "status", "aria-label": "Status" },
      h("ol", { class: "steps" }, run.fused ? this.steps : this.steps.slice(2)),
      this.bar,
      this.link,
      this.banners,
    );
  }

  /** Show how far it is, at a moment. */
  update(at) {
    const { run } = this;
    const words = { panel: `Panel ${run.answered} of ${run.seats.size}`, comparison: "Comparison", answer: "Answer" };
    const order = ["panel", "comparison", "answer"];
    for (const step of this.steps) {
      const name = step.dataset.step;
      const place = order.indexOf(name) - order.indexOf(run.step);
      const state = place < 0 ? "done" : place > 0 ? "next" : "now";
      if (step.dataset.state !== state) {
        step.dataset.state = state;
        state === "now" ? step.setAttribute("aria-current", "step") : step.removeAttribute("aria-current");
      }
      say(step, words[name]);
    }
    const { cost, isLowerBound } = spent([...run.calls.values()]);
    say(
      this.figures,
      `${clock(at - run.began)} · ${run.calls.size ? money(cost, isLowerBound) : "nothing spent yet"}${run.isDemo ? " · offline demo: no language model" : ""}`,
    );
  }

  /** Show how it ended, or where it was left. */
  finish(details) {
    const { cost, sources, roster } = details;
    this.element.dataset.status = details.status;
    this.element.querySelector(".steps").hidden = true;
    const read = sources.filter((source) => source.status === "read").length;
    const answered = details.seats.filter((seat) => seat.text).length;
    const paid = money(cost.paid_usd, cost.paid_is_lower_bound);
    const word = STATUS[details.status];
    const parts = [
      word[0].toUpperCase() + word.slice(1),
      roster.is_demo ? "offline demo: no language model" : "",
      details.ended_at ? clock(details.ended_at - details.created_at) : "",
      details.fused || answered ? `${answered} of ${counted(roster.seats.length, "seat")}` : "",
      cost.paid_usd === cost.cost_usd ? paid : `${paid} (in all ${money(cost.cost_usd, cost.cost_is_lower_bound)})`,
      sources.length ? `${counted(sources.length, "source")}, ${read} read` : "",
    ];
    fill(
      this.figures,
      h("span", { class: `dot ${details.status}`, "aria-hidden": "true" }),
      " ",
      parts.filter(Boolean).join(" · "),
    );
  }

  /** Say that the connection is away, or back. */
  connection(state) {
    fill(this.link, state === "lost" ? banner("warn", "Connection lost, the run goes on. Reconnecting…") : null);
  }
}

/** Return what stands above an answer that came short, that waits, or that there is none of. */
export function endBanner(details, actions) {
  const words = details.reasons.map((reason) => reason.replace(/judge_\w+/, (code) => code.replaceAll("_", " ")));
  const said = words.map((reason) => `${reason[0].toUpperCase()}${reason.slice(1)}.`).join(" ");
  switch (details.status) {
    case "degraded":
      return banner("warn", `Degraded answer. ${said}`, ...actions);
    case "error":
      return banner("err", `${details.answer ? "No panel answer" : "No answer"}. ${said}`, ...actions);
    case "failed":
      return banner("err", "The run broke off. What is done and paid is kept.", ...actions);
    case "cancelled":
      return banner(
        "note",
        `Stopped: ${details.seats.filter((seat) => seat.text).length} of ${details.roster.seats.length} answers are kept, ${money(details.cost.paid_usd, details.cost.paid_is_lower_bound)} spent.`,
        ...actions,
      );
    case "stopped":
      return banner(
        "warn",
        "The server that was at work on this run is gone. What is done and paid is kept.",
        ...actions,
      );
    default:
      return null;
  }
}
