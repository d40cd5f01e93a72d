// A field for a model's name, with the models there are below it: ARIA's combobox with a listbox.

import { get } from "./api.js";
import { fill, h } from "./dom.js";

const PAUSE = 150; // ms after the last key
let pickers = 0;

/** Return a field: `element`, and `value`, which may be any name. */
export function picker({ label, value, hint, onchange }) {
  const id = `picker-${++pickers}`;
  let options = [];
  let chosen = -1;
  let timer = 0;
  let told = value;
  const list = h("ul", { id: `${id}-list`, class: "options", role: "listbox", "aria-label": label, hidden: true });
  const count = h("span", { class: "unseen", role: "status" });
  const input = h("input", {
    id,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
    "aria-autocomplete": "list",
    placeholder: hint,
    oninput: () => later(),
    onkeydown: keys,
    onblur: () => {
      close();
      changed();
    },
    onclick: () => open(),
  });
  input.value = value ?? "";
  const element = h("div", { class: "field picker" }, h("label", { for: id }, label), input, list, count);

  function later() {
    clearTimeout(timer);
    timer = setTimeout(open, PAUSE);
  }

  async function open() {
    clearTimeout(timer);
    const asked = input.value.trim();
    const isOld = asked === told;
    const found = await get(`/v1/fusion/models?limit=50&q=${encodeURIComponent(isOld ? "" : asked)}`).catch(() => null);
    if (!found || document.activeElement !== input) return;
    options = found.data;
    choose(-1);
    fill(
      list,
      options.map((model, index) =>
        h(
          "li",
          {
            id: `${id}-${index}`,
            role: "option",
            "aria-selected": "false",
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => take(index),
          },
          model.name,
          h("span", { class: "muted" }, prices(model)),
        ),
      ),
    );
    show(options.length > 0);
    count.textContent = `${found.matching} of ${found.total}`;
  }

  function show(is) {
    list.hidden = !is;
    input.setAttribute("aria-expanded", String(is));
  }

  function close() {
    clearTimeout(timer);
    choose(-1);
    show(false);
  }

  function choose(index) {
    chosen = index;
    for (const [place, option] of [...list.children].entries())
      option.setAttribute("aria-selected", String(place === index));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${id}-${index}`);
      list.children[index].scrollIntoView({ block: "nearest" });
    }
  }

  function take(index) {
    input.value = options[index].name;
    close();
    changed();
  }

  function changed() {
    if (input.value.trim() === told) return;
    told = input.value.trim();
    onchange?.(told);
  }

  function keys(event) {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) open();
      else choose((chosen + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      isOpen && chosen >= 0 ? take(chosen) : (close(), changed());
    } else if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      event.preventDefault();
      close();
    }
  }

  return {
    element,
    get value() {
      return input.value.trim();
    },
    set value(name) {
      input.value = name;
      told = name;
    },
  };
}

function prices({ input_usd_per_mtok: read, output_usd_per_mtok: written }) {
  return read === null || written === null ? "" : ` $${read} / $${written} per M tokens`;
}
