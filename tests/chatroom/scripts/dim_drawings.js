// Words in drawings whose contrast with what lies behind the drawing is under 4.5 (WCAG 1.4.3): axe-core leaves them undecided.
() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (channel) => (channel <= 10.31475 ? channel / 3294.6 : ((channel / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  const behind = (element) => {
    const colour = parts(getComputedStyle(element).backgroundColor);
    if (colour.length === 3) return colour;
    return element.parentElement ? behind(element.parentElement) : [255, 255, 255];
  };
  const contrast = (text) => {
    const both = [parts(getComputedStyle(text).fill), behind(text)].map(luminance);
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  return [...document.querySelectorAll("svg text")]
    .filter((text) => text.checkVisibility() && contrast(text) < 4.5)
    .map((text) => `contrast ${contrast(text).toFixed(1)}: ${text.outerHTML.slice(0, 160)}`);
}
