// Elements, without a framework. Text is always text: markup comes from the server alone, which has sanitised it.

const policy = window.trustedTypes?.createPolicy("fusion", { createHTML: (markup) => markup });

/** Return an element. `on*` are listeners, null and false leave an attribute out, true sets it empty. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Return an element with markup that the server has made of a model's Markdown. */
export function rendered(tag, attributes, markup) {
  const element = h(tag, attributes);
  element.innerHTML = policy ? policy.createHTML(markup) : markup;
  return element;
}

/** Show text in an element, if it says something else now. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Put children in the place of those an element has. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

/** Take the reader to an element: in view, and with the focus. */
export function goTo(element) {
  if (!element) return;
  if (element.tabIndex < 0 && !element.hasAttribute("tabindex")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}

/** Return whether a reader has selected something inside an element. */
export function isSelected(element) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(element);
}

// What screen readers are told: milestones, at most one a second; those that come closer together are one.
const PAUSE = 1000;
let waiting = [];
let timer = 0;

/** Tell a milestone to who does not see the page. */
export function announce(text) {
  waiting.push(text);
  if (timer) return;
  const tell = () => {
    document.getElementById("told").textContent = waiting.join(". ");
    waiting = [];
    timer = setTimeout(() => {
      timer = 0;
      if (waiting.length) {
        timer = 1;
        tell();
      }
    }, PAUSE);
  };
  timer = setTimeout(tell, 50);
}

/** Tell, once, what has ended a run. */
export function alarm(text) {
  say(document.getElementById("alarm"), text);
}

// Regions that scroll with their text until their reader moves, and again when the reader is back at the end.
const NEAR = 32;

/** Have a region follow its end. Return `follow()`, to be called when text has come, and what shows the way back. */
export function following(region) {
  let pinned = true;
  const back = h(
    "button",
    {
      type: "button",
      class: "latest",
      hidden: true,
      onclick: () => {
        pin(true);
        follow();
      },
    },
    "Latest",
  );
  const pin = (is) => {
    pinned = is;
    back.hidden = is;
  };
  const toEnd = () => region.scrollHeight - region.scrollTop - region.clientHeight;
  let last = 0;
  // Only a reader moves a region up, by whatever means; one that shrinks stays at its end.
  const moved = () => {
    const isUp = region.scrollTop < last;
    last = region.scrollTop;
    if (toEnd() <= (isUp ? 1 : NEAR)) pin(true);
    else if (isUp) pin(false);
  };
  region.addEventListener("scroll", moved, { passive: true });
  region.addEventListener("focus", () => pin(false));
  region.addEventListener("blur", () => pin(toEnd() <= NEAR));
  function follow() {
    if (pinned && !isSelected(region) && region.clientHeight < region.scrollHeight)
      region.scrollTop = region.scrollHeight;
  }
  return { follow, back };
}

/** Add text to the end of an element, as a node of its own. */
export function append(element, text) {
  element.append(document.createTextNode(text));
}

/** Return a message with a heading word and what can be done about it. */
export function banner(kind, text, ...actions) {
  return h(
    "div",
    { class: `banner ${kind}` },
    h("p", {}, text),
    actions.length ? h("p", { class: "actions" }, actions) : null,
  );
}

/** Return a button; while its work is under way it cannot be pressed again, and what fails is told below it. */
export function button(label, work, attributes) {
  const element = h("button", { type: "button", ...attributes, onclick: run }, label);
  async function run(event) {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    element.parentElement?.querySelector(":scope > .fault")?.remove();
    try {
      await work(event);
    } catch (error) {
      element.after(h("span", { class: "fault", role: "alert" }, error.message));
    } finally {
      element.removeAttribute("aria-disabled");
    }
  }
  return element;
}

/** Return a section of a page, and the place for what is in it. */
export const section = (name, title) => {
  const body = h("div", { class: "body-of" });
  return {
    body,
    element: h(
      "section",
      { class: name, "aria-labelledby": `h-${name}` },
      h("h2", { id: `h-${name}`, tabindex: "-1" }, title),
      body,
    ),
  };
};
