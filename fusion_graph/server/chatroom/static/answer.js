// The answer: text as it is written, then as the server has rendered it.

import { append, fill, h, rendered, say, section } from "./dom.js";
import { ENDED } from "./words.js";

/** The section of the answer. */
export class AnswerView {
  constructor(run, saves) {
    this.run = run;
    Object.assign(this, section("answer", "Answer"));
    this.wait = h("p", { class: "muted" });
    this.text = h("div", { class: "text streaming", dir: "auto", "aria-busy": "true", hidden: true });
    this.saves = saves;
    this.open();
  }

  /** Make room for text to come. */
  open() {
    this.isFinal = false;
    fill(this.body, this.wait, this.text);
  }

  flush() {
    const { answer } = this.run;
    if (this.isFinal) return false;
    if (answer.isNew) {
      answer.isNew = false;
      fill(this.text);
    }
    if (!answer.fresh) return false;
    this.text.hidden = false;
    this.wait.hidden = true;
    append(this.text, answer.fresh);
    answer.fresh = "";
    return true;
  }

  update() {
    const { run } = this;
    if (this.isFinal || run.isOver) return;
    const reason = {
      panel: "Waits for the comparison.",
      comparison: "Waits for the comparison.",
      answer: "Waits for the writer.",
    };
    say(this.wait, reason[run.step]);
  }

  finish(details) {
    const { answer } = details;
    this.text.setAttribute("aria-busy", "false");
    if (!answer) {
      this.wait.hidden = false;
      say(this.wait, ENDED.has(details.status) ? "There is no answer." : "No answer yet.");
      return;
    }
    this.isFinal = true;
    const prose = rendered("div", { class: "prose" }, answer.html);
    fill(this.body, prose, h("p", { class: "actions" }, this.saves(answer)));
  }
}
