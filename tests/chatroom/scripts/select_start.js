// Select the beginning of a region's text.
(region) => {
  const range = document.createRange();
  const texts = document.createTreeWalker(region, NodeFilter.SHOW_TEXT);
  const first = texts.nextNode();
  range.setStart(first, 0);
  range.setEnd(texts.nextNode() ?? first, 3);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}
