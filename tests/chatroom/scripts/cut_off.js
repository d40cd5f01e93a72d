// Texts of which a part cannot be seen, nor read in a title or by scrolling.
() => [...document.querySelectorAll("body *")].filter((element) => {
  const isCut = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "hidden" && element.clientWidth > 2;
  return isCut && element.checkVisibility() && !element.closest("[title]");
}).map((element) => element.outerHTML.slice(0, 160))
