// Links that lead nowhere in the page, or that tell another site where they were followed.
() => [...document.querySelectorAll("main a[href]")].filter((link) => {
  const address = link.getAttribute("href");
  if (address.startsWith("#")) return !document.getElementById(address.slice(1));
  return link.origin !== location.origin && !(link.relList.contains("noopener") && link.relList.contains("noreferrer"));
}).map((link) => link.outerHTML.slice(0, 160))
