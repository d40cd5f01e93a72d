// Wait until text has come so many times.
(region, number) => new Promise((resolve) => {
  const watch = new MutationObserver(() => {
    if (--number > 0) return;
    watch.disconnect();
    resolve();
  });
  watch.observe(region, { subtree: true, childList: true, characterData: true });
})
