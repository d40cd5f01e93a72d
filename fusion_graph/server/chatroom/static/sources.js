// The sources: what was read, what was only found, what nobody saw.

import { fill, goTo, h, section } from "./dom.js";
import { counted, listed } from "./words.js";

/** The section of the sources. */
export class SourcesView {
  constructor() {
    Object.assign(this, section("sources", "Sources"));
    this.element.hidden = true;
    this.from = null;
  }

  finish(details) {
    const { sources, doubts } = details;
    this.element.hidden = !sources.length && !doubts.length;
    if (this.element.hidden) return;
    const worth = (source) => source.cited || source.status === "read";
    const rest = sources.filter((source) => !worth(source));
    fill(
      this.body,
      h(
        "ul",
        { class: "list" },
        sources.filter(worth).map((source) => this.source(source)),
      ),
      rest.length
        ? h(
            "details",
            {},
            h("summary", {}, `${counted(rest.length, "more page")} only found, neither read nor cited`),
            h(
              "ul",
              { class: "list" },
              rest.map((source) => this.source(source)),
            ),
          )
        : null,
      doubts.length
        ? h(
            "ul",
            { class: "doubts" },
            doubts.map((doubt) => h("li", { dir: "auto" }, doubt)),
          )
        : null,
    );
  }

  source(source) {
    const words =
      source.status === "read"
        ? "read"
        : source.found_by === "provider"
          ? "only found, by the model's provider"
          : "only found, not verified";
    const isWeb = /^https?:/.test(source.url);
    const title = source.title || source.url;
    const name = isWeb
      ? h("a", { href: source.url, target: "_blank", rel: "noopener noreferrer nofollow", dir: "auto" }, title)
      : h("span", { dir: "auto" }, title);
    const back = h(
      "button",
      { type: "button", class: "quiet back", onclick: () => goTo(this.from) },
      "back to the text",
    );
    const seats = source.seats.length
      ? `${source.seats.length === 1 ? "seat" : "seats"} ${listed(source.seats.map(String))}`
      : "";
    return h(
      "li",
      { id: `source-${source.number}`, tabindex: "-1", "data-status": source.status },
      h("span", { class: "number" }, String(source.number)),
      h(
        "span",
        {},
        name,
        " ",
        h("span", { class: "muted" }, [source.site, source.published, words, seats].filter(Boolean).join(" · ")),
        " ",
        back,
      ),
    );
  }

  /** Take the reader from a citation to its source, and remember the way back. */
  open(citation) {
    const target = document.getElementById(`source-${citation.dataset.source}`);
    if (!target) return;
    target.closest("details")?.setAttribute("open", "");
    this.from = citation;
    for (const other of this.body.querySelectorAll(".from-text")) other.classList.remove("from-text");
    target.classList.add("from-text");
    goTo(target);
  }
}
