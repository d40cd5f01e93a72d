// A run that waits: started as it is planned, started with a cheaper panel, or not.

import { offer } from "./ask.js";
import { button, fill, h, rendered } from "./dom.js";
import { counted } from "./words.js";

/** Return what asks for the approval of a run; `resume` takes the decision. */
export function approval(details, resume) {
  const decide = (type, more) => resume({ decisions: [{ type, ...more }] });
  const others = h("div", { class: "row" });
  offer().then(
    ({ presets }) => fill(others, choices(presets, decide)),
    () => {},
  );
  return h(
    "div",
    { class: "banner note" },
    h("p", {}, "Paused: this run needs your approval before the panel is paid."),
    rendered("div", { class: "prose" }, details.approval.html),
    h(
      "p",
      { class: "actions" },
      button("Start", () => decide("approve"), { class: "main" }),
      button("Do not run", () => decide("reject", { message: "on the page" })),
    ),
    others,
  );
}

/** Return what starts the run with the panel of a preset instead. */
function choices(presets, decide) {
  const usable = presets.filter((preset) => !preset.problem);
  const options = usable.map(({ name, seats }) =>
    h("option", { value: name }, `${name}: ${counted(seats.length, "model")}`),
  );
  const choice = h("select", { id: "other-panel" }, options);
  const start = () => {
    const { seats, judge, writer } = usable.find((preset) => preset.name === choice.value);
    return decide("edit", { edited_action: { name: "fusion", args: { panel: seats.join(", "), judge, writer } } });
  };
  const field = h("div", { class: "field" }, h("label", { for: "other-panel" }, "Or another panel"), choice);
  return [field, button("Start with this panel", start)];
}
