// Where the Tab key has led: which place in the document, and whether one sees that.
() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const { top, bottom, width, height } = element.getBoundingClientRect();
  return {
    what: element.outerHTML.slice(0, 140),
    place: [...document.querySelectorAll("*")].indexOf(element),
    isMarked: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    isInView: width > 0 && height > 0 && bottom > 0 && top < innerHeight,
  };
}
