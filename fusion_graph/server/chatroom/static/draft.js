// What is to be asked, before it is: a preset, or a panel of the user's own; with tools, sites, a budget.

const KEPT = "fusion-draft";

/** The tools a panel may have, by the names that people know them by. */
export const TOOLS = { web_search: "search", web_fetch: "fetch", bash: "bash" };

/** Return a draft that says nothing yet. `custom` is a roster of one's own; without tools it has the preset's. */
export const fresh = () => ({ preset: "", custom: null, tools: null, excluded: [], budget: null, approve: false });

/** Return the draft of last time on this device. */
export function kept() {
  try {
    return { ...fresh(), ...JSON.parse(localStorage.getItem(KEPT)) };
  } catch {
    return fresh();
  }
}

export const keep = (draft) => localStorage.setItem(KEPT, JSON.stringify(draft));

/** Return the panel of a run, to be asked again. */
export function draftOf({ roster }) {
  const { judge, writer } = roster;
  const seats = roster.seats.map(({ model, name, max_tool_calls: most }) => ({
    model,
    ...(name && name !== model ? { name } : {}),
    ...(most ? { max_tool_calls: most } : {}),
  }));
  return {
    ...fresh(),
    preset: roster.preset,
    custom: { seats, judge, writer: writer === judge ? "" : writer },
    tools: roster.tools,
    excluded: roster.excluded_domains,
    budget: roster.max_cost_usd || null,
  };
}

/** Return the roster of a draft; no writer means that the judge writes. */
export function rosterOf(draft, presets) {
  if (draft.custom) return draft.custom;
  const { seats, judge, writer } = presets.find((preset) => preset.name === draft.preset);
  return { seats: seats.map((model) => ({ model })), judge, writer: writer === judge ? "" : writer };
}

/** Return the tools of a draft. */
export function toolsOf(draft, presets) {
  return draft.tools ?? presets.find((preset) => preset.name === draft.preset)?.tools ?? [];
}

/** Return whether a draft's roster is just that of its preset. */
export function isOfPreset(draft, presets) {
  const preset = presets.find((each) => each.name === draft.preset);
  if (!preset || !draft.custom) return Boolean(preset);
  const { seats, judge, writer } = draft.custom;
  const isPlain = (seat, index) => seat.model === preset.seats[index] && !seat.name && !seat.system_prompt;
  const isSame = seats.length === preset.seats.length && seats.every(isPlain);
  return isSame && judge === preset.judge && (writer || judge) === preset.writer;
}

/** Return the request that a draft makes, with `more` in it. */
export function requestOf(draft, presets, more = {}) {
  const { custom, tools, budget, excluded, approve } = draft;
  const isPreset = presets.some((preset) => preset.name === draft.preset);
  const named = tools?.filter((name) => name in TOOLS).map((type) => ({ type }));
  return {
    ...more,
    model: isPreset ? `fusion/${draft.preset}` : "fusion",
    plugins: [{ id: "fusion", ...(custom ? { model: custom.judge } : {}), ...(named ? { tools: named } : {}) }],
    x_fusion: {
      ...(custom ? { seats: custom.seats.filter((seat) => seat.model), writer: custom.writer || custom.judge } : {}),
      ...(budget ? { max_cost_usd: budget } : {}),
      ...(excluded.length ? { excluded_domains: excluded } : {}),
      ...(approve ? { approve } : {}),
    },
  };
}
