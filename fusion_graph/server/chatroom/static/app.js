// The page: which screen an address shows, and who may see it.

import { get, key } from "./api.js";
import { askForm, offer } from "./ask.js";
import { banner, fill, h } from "./dom.js";
import { sidePage } from "./redo.js";
import { routed } from "./route.js";
import { runList } from "./runs.js";
import { runPage } from "./run_page.js";

const main = document.getElementById("main");
const out = document.getElementById("sign-out");
let leaving = new AbortController();
let reader = null; // the key that the screen was filled with

out.addEventListener("click", () => {
  key.clear();
  location.assign("/");
});

addEventListener("pageshow", (event) => {
  if (!event.persisted || key.get() === reader) return;
  fill(main); // the browser shows the page as it was left, and its reader has signed out since
  show();
});

async function show(state = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  reader = key.get();
  out.hidden = !key.get();
  for (const link of document.querySelectorAll(".top nav a")) {
    link.pathname === location.pathname
      ? link.setAttribute("aria-current", "page")
      : link.removeAttribute("aria-current");
  }
  try {
    await screen(signal, state);
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 401) signIn();
    else trouble(error);
  }
  if (state.isMoved && !signal.aborted && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
  if (state.isMoved && !location.hash) scrollTo({ top: 0 });
}

async function screen(signal, state) {
  const [, place, id] = location.pathname.split("/");
  const other = new URLSearchParams(location.search).get("with");
  if (place === "runs" && id && other) await sidePage(main, { id, other, signal });
  else if (place === "runs" && id) await runPage(main, { id, signal, isNew: state.isNew });
  else await (place === "runs" ? history(signal) : first(signal));
}

async function first(signal) {
  const offered = await offer(); // who has no key is asked for it before anything is typed
  if (signal.aborted) return;
  document.title = "Fusion · ask a panel";
  const recent = h(
    "section",
    { "aria-labelledby": "h-recent" },
    h("h2", { id: "h-recent" }, "Recent"),
    runList({ limit: 5, signal }),
  );
  fill(main, h("h1", { tabindex: "-1" }, "Ask a panel"), askForm({ offered }), recent);
  main.querySelector("textarea").focus({ preventScroll: true });
}

async function history(signal) {
  await get("/v1/responses?limit=1"); // signs in, as above
  if (signal.aborted) return;
  document.title = "Fusion · runs";
  fill(main, h("h1", { tabindex: "-1" }, "Runs"), runList({ signal, isWhole: true }));
}

function signIn() {
  const wasWrong = Boolean(key.get());
  const field = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
  const keep = h("input", { type: "checkbox" });
  const told = h("div", { role: "alert" }, wasWrong ? banner("err", "This server does not know that key.") : null);
  const enter = (event) => {
    event.preventDefault();
    const given = field.value.replace(/[\p{Cc}\p{Cf}]/gu, "").trim(); // copied along, and not seen
    const [odd] = given.match(/[^\0-\xff]/u) ?? []; // no header can carry it
    if (given && !odd) {
      key.set(given, keep.checked);
      show({ isMoved: true });
      return;
    }
    fill(told, banner("err", odd ? `No key has a character like “${odd}”. Copy the key again.` : "That is no key."));
    field.focus();
  };
  document.title = "Fusion · sign in";
  key.clear();
  out.hidden = true;
  fill(
    main,
    h("h1", { tabindex: "-1" }, "Sign in"),
    told,
    h(
      "form",
      { class: "ask", onsubmit: enter },
      h("p", {}, "This server answers to those who have one of its API keys."),
      h("div", { class: "field" }, h("label", { for: "key" }, "API key"), field),
      h("label", { class: "check" }, keep, "Keep it on this device"),
      h("p", {}, h("button", { type: "submit", class: "main" }, "Sign in")),
    ),
  );
  field.focus();
}

function trouble(error) {
  const isGone = error.status === 404;
  document.title = "Fusion";
  fill(
    main,
    h("h1", { tabindex: "-1" }, isGone ? "There is no such run" : "That did not work"),
    banner("err", error.message),
    h(
      "p",
      { class: "actions" },
      isGone
        ? h("a", { href: "/runs" }, "All runs")
        : h("button", { type: "button", onclick: () => show() }, "Try again"),
    ),
  );
}

routed(show);
