// The comparison: disagreements first, then what the panel agrees on, each with the seats and pages behind it.

import { fill, h, rendered, say, section } from "./dom.js";
import { counted, ENDED, short } from "./words.js";

/** The section of the comparison. */
export class ComparisonView {
  constructor(run, showSeat) {
    this.run = run;
    this.showSeat = showSeat;
    Object.assign(this, section("comparison", "Comparison"));
    this.wait = h("p", { class: "muted" });
    fill(this.body, this.wait);
  }

  update() {
    const { run } = this;
    if (this.isFinal) return;
    const waits = run.waiting ? `Waits for ${counted(run.waiting, "more answer")}.` : "Waits for the judge.";
    const words = {
      waiting: waits,
      comparing: `${short(run.judge)} compares ${counted(run.answered, "answer")}.`,
      ready: "Ready; it is being put in order.",
      absent: "There is none.",
    };
    say(this.wait, words[run.comparison.state]);
  }

  finish(details) {
    const { comparison } = details;
    if (!comparison) {
      const failed = details.judge_failure
        ? `No comparison: ${details.judge_failure.replaceAll("_", " ")}.`
        : "There is no comparison.";
      say(this.wait, ENDED.has(details.status) ? failed : "Not made yet.");
      return;
    }
    if (this.isFinal) return;
    this.isFinal = true;
    const names = new Map(details.roster.seats.map((seat) => [seat.seat, short(seat.model)]));
    const clashes = comparison.contradictions.length;
    const parts = [
      clashes
        ? h(
            "div",
            { class: "clashes" },
            h("h3", {}, "They disagree"),
            comparison.contradictions.map((clash) => this.clash(clash, names)),
          )
        : null,
      ...[
        ["They agree", "consensus"],
        ["Only some say", "partial_coverage"],
        ["Only one says", "unique_insights"],
      ].map(([title, name]) => this.claims(title, comparison[name], names)),
      comparison.blind_spots.length
        ? h(
            "div",
            { class: "claims" },
            h("h3", {}, "Nobody says"),
            h(
              "ul",
              {},
              comparison.blind_spots.map((spot) => rendered("li", { dir: "auto" }, spot.html)),
            ),
          )
        : null,
    ].filter(Boolean);
    fill(
      this.body,
      clashes && parts.length > 1 ? filters(this.body, clashes) : null,
      parts.length ? parts : h("p", { class: "muted" }, "The judge found nothing to compare."),
    );
  }

  claims(title, claims, names) {
    if (!claims.length) return null;
    const item = (claim) =>
      h(
        "li",
        { dir: "auto" },
        rendered("span", {}, claim.html),
        claim.note ? h("span", { class: "muted" }, ` (${claim.note})`) : "",
        " ",
        this.behind(claim, names),
      );
    return h("div", { class: "claims" }, h("h3", {}, title), h("ul", {}, claims.map(item)));
  }

  clash(clash, names) {
    const stance = (said) =>
      h(
        "li",
        { dir: "auto", class: said.seat === clash.better ? "better" : null },
        this.seat(said.seat, names),
        " ",
        rendered("span", {}, said.html),
        " ",
        said.sources.map(cited),
        said.seat === clash.better ? h("span", { class: "muted" }, " (better supported)") : "",
      );
    return h(
      "div",
      { class: "clash" },
      rendered("h4", { dir: "auto" }, clash.topic),
      h("ul", {}, clash.stances.map(stance)),
    );
  }

  behind(claim, names) {
    return h(
      "span",
      { class: "behind" },
      claim.seats.map((seat) => this.seat(seat, names)),
      claim.sources.map(cited),
    );
  }

  seat(number, names) {
    const open = (event) => {
      event.preventDefault();
      this.showSeat(number);
    };
    return h("a", { class: "chip", href: `#seat-${number}`, onclick: open }, `${number} ${names.get(number) ?? ""}`);
  }
}

const cited = (number) => h("a", { class: "cite", href: `#source-${number}`, "data-source": number }, `[${number}]`);

function filters(body, clashes) {
  const all = h("button", { type: "button", "aria-pressed": "true", onclick: () => show(false) }, "All");
  const some = h(
    "button",
    { type: "button", "aria-pressed": "false", onclick: () => show(true) },
    `Disagreements ${clashes}`,
  );
  function show(only) {
    all.setAttribute("aria-pressed", String(!only));
    some.setAttribute("aria-pressed", String(only));
    for (const part of body.querySelectorAll(".claims")) part.hidden = only;
  }
  return h("p", { class: "actions filter" }, all, some);
}
