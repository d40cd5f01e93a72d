// The page of one run: followed while it goes on, whole when it has ended, and what can be done with it then.

import { call, follow, get, now, post, save } from "./api.js";
import { AnswerView } from "./answer.js";
import { approval } from "./approval.js";
import { askForm } from "./ask.js";
import { ComparisonView } from "./comparison.js";
import { CostView } from "./cost.js";
import { draftOf } from "./draft.js";
import { alarm, announce, banner, button, fill, goTo, h } from "./dom.js";
import { redoSection, versionsNav } from "./redo.js";
import { Run } from "./run.js";
import { PanelView } from "./seats.js";
import { SourcesView } from "./sources.js";
import { endBanner, StatusView } from "./status.js";
import { counted, ENDED, STATUS } from "./words.js";

const FLUSH = 100; // ms: more often costs five times as much and shows nothing more
const POLL = 3000; // ms between looks at a run that cannot be followed
const LONG = 300; // characters: a question that is no headline

/** Show the run of a path; `signal` ends it. */
export async function runPage(main, { id, signal, isNew }) {
  const details = await get(`/v1/responses/${id}/details`);
  if (signal.aborted) return;
  new RunPage(main, details, signal).open(isNew);
}

class RunPage {
  constructor(main, details, signal) {
    Object.assign(this, { main, details, signal, id: details.id, run: new Run(details) });
    const { run } = this;
    this.status = new StatusView(run);
    this.panel = new PanelView(run);
    this.answer = new AnswerView(run, (answer) => this.saves(answer));
    this.comparison = new ComparisonView(run, (number) => this.panel.show(number));
    this.sources = new SourcesView();
    this.cost = new CostView();
    this.versions = h("div", {});
    this.after = h("div", { class: "after" });
    this.title = h(
      "h1",
      { tabindex: "-1", dir: "auto", class: details.question.length > LONG ? "long" : null },
      details.question,
    );
    this.pill = h(
      "button",
      {
        type: "button",
        class: "pill main",
        hidden: true,
        onclick: () => {
          this.pill.hidden = true;
          goTo(this.answer.element.querySelector("h2"));
        },
      },
      "The answer is being written",
    );
    const asked = run.fused ? [this.comparison.element, this.panel.element] : [];
    this.element = h(
      "article",
      { class: "run" },
      earlier(details),
      this.title,
      this.versions,
      this.status.element,
      this.answer.element,
      asked,
      this.sources.element,
      this.cost.element,
      this.after,
      this.pill,
    );
    this.element.addEventListener("click", (event) => {
      const citation = event.target.closest?.("a.cite[data-source]");
      if (!citation) return;
      event.preventDefault();
      this.sources.open(citation);
    });
  }

  async open(isNew) {
    fill(this.main, this.element);
    this.headline();
    if (isNew) this.title.focus({ preventScroll: true });
    this.learn(this.details);
    const { status } = this.details;
    if (status === "running") {
      this.panel.watch();
      await this.watch();
    } else this.stand();
  }

  /** Follow the run until it has ended; out of sight only look at it now and then: browsers have six connections for all tabs. */
  async watch() {
    const beat = setInterval(() => this.flush(), FLUSH);
    this.hurry = this.answerNow();
    fill(this.status.buttons, this.hurry, this.stop());
    this.tick();
    try {
      while (!this.signal.aborted && !this.run.isOver) await (document.hidden ? this.look() : this.listen());
    } catch (error) {
      if (!this.signal.aborted)
        fill(
          this.status.banners,
          banner(
            "err",
            error.message,
            button("Try again", () => this.again()),
          ),
        );
    } finally {
      clearInterval(beat);
    }
    if (!this.signal.aborted && this.run.isOver) await this.again();
  }

  async listen() {
    const turn = (this.turn = new AbortController());
    const leave = () => turn.abort();
    const hide = () => {
      if (document.hidden) setTimeout(() => document.hidden && leave(), POLL);
    };
    this.signal.addEventListener("abort", leave);
    document.addEventListener("visibilitychange", hide);
    try {
      for await (const event of follow(this.id, this.run.seq, turn.signal, (state) => this.status.connection(state)))
        this.take(event);
      if (!turn.signal.aborted) this.run.isOver = true;
    } finally {
      this.signal.removeEventListener("abort", leave);
      document.removeEventListener("visibilitychange", hide);
      leave();
    }
  }

  /** Wait a while, or until the page is looked at again; then see how the run stands. */
  async look() {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL);
      document.addEventListener("visibilitychange", resolve, { once: true });
      this.signal.addEventListener("abort", resolve, { once: true });
    });
    const details = await get(`/v1/responses/${this.id}/details`).catch(() => null);
    if (!details || this.signal.aborted) return;
    this.learn(details);
    this.run.isOver = details.status !== "running";
  }

  take(event) {
    const before = this.run.step;
    const milestone = this.run.take(event);
    const isNews = (event.at ?? now()) > this.opened;
    if (milestone && isNews) announce(milestone);
    if (event.type.endsWith("panel.completed") || event.type.endsWith("panel.failed")) this.refresh();
    if (event.type.endsWith("analysis.completed") || event.type.endsWith("fusion_call.completed")) this.refresh();
    if (this.run.step !== before) {
      if (before === "panel") this.panel.fold();
      this.headline();
    }
  }

  opened = now() - 2;

  /** Fetch what the server has put together meanwhile, at most once a second. */
  refresh() {
    this.waits ??= setTimeout(async () => {
      this.waits = null;
      const details = await get(`/v1/responses/${this.id}/details`).catch(() => null);
      if (details && !this.signal.aborted && !this.isStanding) this.learn(details);
    }, 1000);
  }

  learn(details) {
    this.details = details;
    this.run.learn(details);
    if (details.comparison) this.comparison.finish(details);
    if (details.sources.length !== this.known) {
      this.known = details.sources.length; // what a seat's text cites can be looked up at once
      this.sources.finish(details);
    }
    this.tick();
  }

  flush() {
    const { answer } = this.run;
    const held = CSS.supports("overflow-anchor", "auto") ? null : anchor(this.answer.element);
    const isWritten = this.answer.flush();
    held?.();
    this.panel.flush(now());
    if (isWritten) this.pill.hidden = this.isSeen || this.isInView(this.answer.element);
    if (answer.state === "writing" && this.isInView(this.answer.element)) this.isSeen = true;
    const second = Math.floor(now());
    if (second !== this.second) {
      this.second = second;
      this.tick();
    }
  }

  isInView(element) {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }

  tick() {
    const at = now();
    if (!this.isStanding) this.status.update(at);
    if (this.hurry) this.hurry.hidden = this.run.step !== "panel";
    this.panel.update(at);
    this.answer.update();
    this.comparison.update();
    this.headline();
  }

  headline() {
    const { run, details } = this;
    const progress = { panel: `${run.answered}/${run.seats.size}`, comparison: "Comparing", answer: "Writing" };
    const word = this.isStanding ? (details.answer ? "Answer" : STATUS[details.status]) : progress[run.step];
    const title = `${word[0].toUpperCase()}${word.slice(1)} · ${details.question}`;
    if (document.title !== title) document.title = title;
  }

  /** Look at the run anew: it has ended, or goes on. */
  async again() {
    const details = await get(`/v1/responses/${this.id}/details`);
    if (this.signal.aborted) return;
    this.learn(details);
    if (details.status === "running") {
      this.reopen();
      await this.watch();
      return;
    }
    const wasLive = !this.isStanding;
    this.stand();
    if (wasLive) this.tell();
  }

  /** Show a run that nothing happens in: it has ended, was stopped, or waits for approval. */
  stand() {
    const { details } = this;
    const isEnded = ENDED.has(details.status);
    this.isStanding = true;
    this.pill.hidden = true;
    this.flush();
    for (const part of [this.status, this.answer, this.comparison, this.sources, this.cost]) part.finish(details);
    if (!isEnded) this.halt();
    if (details.approval || (isEnded && !this.wasWatched)) this.panel.fold();
    const redo = redoSection(details);
    const buttons = isEnded && details.status !== "ok" ? redo.repairs() : [];
    fill(
      this.status.banners,
      details.approval ? approval(details, (decision) => this.goOn(decision)) : endBanner(details, buttons),
      ...details.notes.map((note) => h("p", { class: "muted" }, note)),
    );
    fill(
      this.status.buttons,
      !isEnded && details.status !== "interrupted" ? button("Continue", () => this.goOn(), { class: "main" }) : null,
    );
    fill(this.versions, versionsNav(details));
    fill(this.after, isEnded ? [redo.element, followUp(details)] : []);
    this.headline();
    this.aim();
    if (details.status === "stopped") this.expect();
  }

  /** Take the reader to the source that the address names, once. */
  aim() {
    if (!this.wasAimed && /^#source-\d+$/.test(location.hash)) goTo(document.getElementById(location.hash.slice(1)));
    this.wasAimed = true;
  }

  /** Look whether a server goes on with a run that another one left. */
  async expect() {
    while (!this.signal.aborted && this.isStanding && this.details.status === "stopped") await this.look();
    if (!this.signal.aborted && this.isStanding) await this.again();
  }

  /** Seats and comparison of a run that was left do not go on. */
  halt() {
    const detail = this.details.status === "interrupted" ? "" : "no answer yet";
    for (const seat of this.run.seats.values()) {
      if (!seat.isOver) Object.assign(seat, { state: "waiting", ended: now(), detail });
    }
    this.panel.update(now());
  }

  tell() {
    const { details } = this;
    const end = details.answer ? `answer ready, ${counted(details.answer.words, "word")}` : STATUS[details.status];
    const reasons = details.status === "ok" ? "" : `, ${STATUS[details.status]}: ${details.reasons.join(", ")}`;
    if (details.answer) announce(end + reasons);
    else alarm(`${end}${details.reasons.length ? `: ${details.reasons.join(", ")}` : ""}`);
  }

  async goOn(decision) {
    await post(`/v1/responses/${this.id}/resume`, decision ? { decision } : {});
    await this.again();
  }

  /** Make the page that of a run under way again. */
  reopen() {
    this.isStanding = false;
    this.wasWatched = true;
    this.run.isOver = false;
    delete this.status.element.dataset.status;
    this.status.element.querySelector(".steps").hidden = false;
    for (const place of [this.status.banners, this.after]) fill(place);
    this.answer.open();
    this.panel.unfold();
    this.tick();
  }

  answerNow() {
    const element = button(
      "Answer now",
      async () => {
        await post(`/v1/responses/${this.id}/answer_now`);
        element.textContent = "Cut the rest now";
        element.title = "End the seats at once, with the text they have";
        announce("the panel was told to answer");
      },
      { title: "Stop waiting: seats at work answer from what they have" },
    );
    return element;
  }

  stop() {
    return button(
      "Stop",
      async () => {
        await post(`/v1/responses/${this.id}/cancel`);
        this.run.isOver = true;
        this.turn.abort();
      },
      { title: "Stop here. What is done and paid is kept, and you can continue" },
    );
  }

  saves(answer) {
    const name = `fusion-${this.details.run_id.slice(0, 8)}`;
    const said = h("span", { class: "muted", role: "status" });
    return [
      button("Copy", async () => {
        if (!navigator.clipboard) throw new Error("Copying needs https: select the text instead.");
        await navigator.clipboard.writeText(answer.text);
        said.textContent = "Copied.";
      }),
      button("Save as Markdown", async () =>
        save(`${name}.md`, "text/markdown", await call("GET", `/v1/responses/${this.id}/details?format=markdown`)),
      ),
      button("Save as JSON", async () =>
        save(
          `${name}.json`,
          "application/json",
          JSON.stringify(await get(`/v1/responses/${this.id}/details`), null, 2),
        ),
      ),
      said,
    ];
  }
}

function earlier({ previous }) {
  if (!previous.length) return null;
  return h(
    "nav",
    { "aria-label": "Earlier in this conversation" },
    h(
      "ol",
      { class: "thread" },
      previous.map((turn) => h("li", {}, h("a", { href: `/runs/${turn.id}` }, turn.question))),
    ),
  );
}

function followUp(details) {
  return h(
    "section",
    { "aria-labelledby": "h-follow" },
    h("h2", { id: "h-follow" }, "Ask on"),
    askForm({ draft: draftOf(details), previous: details.id, label: "Follow-up question" }),
  );
}

/** Hold what the reader looks at where it is, in browsers that do not. Return what to call when the text has come. */
function anchor(element) {
  const before = element.getBoundingClientRect();
  return () => {
    const { height } = element.getBoundingClientRect();
    if (before.bottom < 0) scrollBy(0, height - before.height);
  };
}
