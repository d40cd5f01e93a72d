// What of the document is not the page's own: elements, listeners, styles, and addresses that are more than links.
(allowed) => [...document.body.querySelectorAll("*")].flatMap((element) => {
  const tag = element.localName;
  const mayBeStyled = element.matches(".bar > span, .seats");
  const wrong = ({ name, value }) => name.startsWith("on") || (name === "style" && !mayBeStyled)
    || (["href", "src", "action", "formaction", "srcset", "data"].includes(name) && !/^(https?:\/\/|mailto:|\/(?!\/)|#)/.test(value));
  const found = [...element.attributes].filter(wrong).map(({ name, value }) => `${tag} ${name}=${value}`);
  return allowed.includes(tag) ? found : [`<${tag}>`, ...found];
})
