// The server's public API: requests with the key of this page's user, and a run's events, followed through lost connections.

const KEY = "fusion-key";
const SILENCE = 15000; // ms; the server says something every 3 s
const PATIENCE = 3000; // ms without a connection before the reader is told
const WAITS = [300, 1000, 2000, 4000];

class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The API key, kept for this tab, or on this device if its owner wants that. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY),
  set(value, isKept) {
    key.clear();
    (isKept ? localStorage : sessionStorage).setItem(KEY, value);
  },
  clear() {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  },
};

let skew = 0; // seconds that the server's clock is ahead of this one's

/** The time by the server's clock, in seconds since the epoch. */
export const now = () => Date.now() / 1000 + skew;

function headers(more) {
  return { ...(key.get() ? { authorization: `Bearer ${key.get()}` } : {}), ...more };
}

async function refusal(response) {
  const body = await response.json().catch(() => null);
  return new ApiError(response.status, body?.error?.message ?? `the server answered ${response.status}`);
}

/** Return what a route answers. Raises ApiError; without a connection its status is 0. */
export async function call(method, path, body, more) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const typed = body === undefined ? more : { "content-type": "application/json", ...more };
  const response = await fetch(path, { method, headers: headers(typed), ...sent }).catch(() => {
    throw new ApiError(0, "The server cannot be reached. Nothing is lost: try again.");
  });
  if (!response.ok) throw await refusal(response);
  const date = Date.parse(response.headers.get("date") ?? "") / 1000;
  if (Math.abs(date - now()) > 2) skew = date - Date.now() / 1000; // the header tells seconds only
  return response.headers.get("content-type")?.includes("json") ? response.json() : response.text();
}

export const get = (path) => call("GET", path);
export const post = (path, body, more) => call("POST", path, body ?? {}, more);

/**
 * Yield the events of a response with a number above `after`, and those to come, up to its end.
 *
 * A connection that is lost is made again, from the last event on. `onLink` hears "lost" when that takes long, "here" when it is back.
 */
export async function* follow(id, after, signal, onLink) {
  let tries = 0;
  let lost = 0;
  const away = () => {
    lost ||= setTimeout(() => onLink("lost"), PATIENCE);
  };
  const here = () => {
    clearTimeout(lost);
    lost = 0;
    tries = 0;
    onLink("here");
  };
  signal.addEventListener("abort", () => clearTimeout(lost));
  while (!signal.aborted) {
    try {
      const path = `/v1/responses/${id}?stream=true&starting_after=${after}&include[]=fusion_call.work`;
      for await (const event of events(path, signal, here)) {
        if (event === "done") return;
        if (event.type === "error") break; // its server stops; the next one goes on with the run
        after = event.sequence_number ?? after;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && ![0, 429, 500, 502, 503].includes(error.status)) throw error;
    }
    away();
    await pause(WAITS[Math.min(tries++, WAITS.length - 1)], signal);
  }
}

async function* events(path, signal, onOpen) {
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener("abort", end);
  let watch = setTimeout(end, SILENCE);
  try {
    const response = await fetch(path, { headers: headers(), signal: ending.signal });
    if (!response.ok) throw await refusal(response);
    onOpen();
    let rest = "";
    for await (const text of texts(response.body)) {
      clearTimeout(watch);
      watch = setTimeout(end, SILENCE);
      const parts = (rest + text).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const line = part.split("\n").find((each) => each.startsWith("data: "));
        if (line) yield line === "data: [DONE]" ? "done" : JSON.parse(line.slice(6));
      }
    }
  } finally {
    clearTimeout(watch);
    signal.removeEventListener("abort", end);
    ending.abort();
  }
}

async function* texts(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Return an id that nothing else has; `crypto.randomUUID` is for https and the own machine only. */
export const unique = () =>
  [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join("");

/** Have the browser save a text as a file. */
export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
