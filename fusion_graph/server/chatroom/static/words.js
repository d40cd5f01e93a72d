// Words and figures as every surface of fusion writes them.

const VERBS = { web_search: "search", web_fetch: "read", bash: "run" };

/** What a run's state is called. */
export const STATUS = {
  running: "running",
  interrupted: "paused",
  ok: "answered",
  degraded: "degraded answer",
  error: "no panel answer",
  failed: "broke off",
  cancelled: "stopped",
  stopped: "left behind",
};
export const ENDED = new Set(["ok", "degraded", "error"]);

/** US dollars: `$0.41`, `at least $0.41`, `cost unknown`. */
export function money(cost, isLowerBound) {
  if (cost === null || cost === undefined) return "cost unknown";
  const shown = cost >= 0.1 || cost === 0 ? cost.toFixed(2) : cost.toFixed(4);
  return `${isLowerBound ? "at least " : ""}$${shown}`;
}

/** US dollars for a column: `$0.41`, `≥ $0.41`, `unknown`. */
export const cell = (cost, isLowerBound) => money(cost, isLowerBound).replace("cost ", "").replace("at least", "≥");

/** What calls come to: the known part of their cost, and whether that is all of it. */
export function spent(calls) {
  const known = calls.map((call) => call.cost_usd).filter((cost) => cost !== null);
  const cost = known.length || !calls.length ? known.reduce((sum, each) => sum + each, 0) : null;
  return { cost, isLowerBound: known.length < calls.length };
}

/** Minutes and seconds, `1:48`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** `1 seat`, `3 seats`. */
export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/** How long ago a moment (seconds since the epoch) was: `52 s`, `2 h`. */
export function age(at) {
  const seconds = Math.max(0, Date.now() / 1000 - at);
  for (const [unit, size] of [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
  ]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** A tool call in words: `search: query`, `read: host/path`. */
export const toolWords = (tool, target) => `${VERBS[tool] ?? tool}: ${target.replace(/^https?:\/\//, "")}`;

/** A model without the provider before its name. */
export const short = (model) =>
  model
    .replace(/^~/, "")
    .split("/")
    .at(-1)
    .replace(/^demo:/, "");

/** What went wrong, in few words: `429 rate limited`. */
export function failure(error) {
  const kind = error.kind ?? "error";
  const words = kind === "error" ? error.message : kind.replaceAll("_", " ");
  return error.status_code ? `${error.status_code} ${words}` : words;
}

/** `a`, `a and b`, `a, b and c`. */
export const listed = (parts) =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

/** Who takes part, in one sentence, and with what. */
export function rosterWords(roster) {
  const names = roster.seats.map((seat) => (seat.name && seat.name !== seat.model ? seat.name : short(seat.model)));
  const tools = (roster.tools ?? []).map((name) => name.replace("web_", ""));
  const does = `${listed(names)} ${names.length === 1 ? "answers" : "answer"}`;
  const research = tools.length ? `, researching with ${listed(tools)}` : "";
  const ends =
    roster.judge === roster.writer
      ? `${short(roster.judge)} compares and writes`
      : `${short(roster.judge)} compares, ${short(roster.writer)} writes`;
  return `${does}${research}; ${ends}.`;
}
