// Where the page is: the address says it, so that every screen has a link from its first moment.

let render = () => {};
let shown = "";

const here = () => location.pathname + location.search;

function show(state) {
  shown = here();
  render(state);
}

/** Go to a path of this page. `state` is for the first showing only. */
export function go(path, state) {
  history.pushState(null, "", path);
  show(state);
}

/** Call `rendered` for where the page is, now and whenever that changes. */
export function routed(rendered) {
  render = rendered;
  addEventListener("popstate", () => here() === shown || show()); // a link within the page is no other screen
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button);
    if (!link || !isPlain || event.defaultPrevented || link.target || link.origin !== location.origin || link.download)
      return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search + link.hash, { isMoved: true });
  });
  show();
}
