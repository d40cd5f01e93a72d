// What reaches beyond the window's edge, or holds text that does, but for what scrolls by itself.
() => {
  const edge = document.documentElement.clientWidth;
  const texts = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  const boxes = (element) => [element, ...texts(element)].map((node) => {
    const range = document.createRange();
    range.selectNode(node);
    return range.getBoundingClientRect();
  });
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility() && !element.parentElement.closest(".scroll, .options"))
    .filter((element) => boxes(element).some(({ left, right }) => right > edge + 1 || (left < -1 && right > 0)))
    .map((element) => element.outerHTML.slice(0, 160));
}
