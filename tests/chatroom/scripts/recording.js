// In every page from its first moment: what its policy refused, what screen readers were told, what kept it busy, where the focus was.
(() => {
  document.addEventListener("securitypolicyviolation", (event) => {
    noteViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`);
  });
  const LIVE = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=log]";
  const recorded = { told: [], tasks: [], focus: [], flushes: 0 };
  Object.defineProperty(window, "recorded", { value: recorded });
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) recorded.tasks.push({ at: task.startTime, ms: task.duration });
  }).observe({ type: "longtask", buffered: true });
  document.addEventListener("focusin", (event) => recorded.focus.push(event.target.outerHTML.slice(0, 120)));
  new MutationObserver((changes) => {
    const live = new Set();
    for (const { target, addedNodes } of changes) {
      const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
      const region = element?.closest(LIVE);
      if (region) live.add(region);
      for (const added of addedNodes) if (added.nodeType === Node.ELEMENT_NODE && added.matches(LIVE)) live.add(added);
    }
    for (const region of live) {
      const text = region.textContent.trim();
      if (text) recorded.told.push({ at: performance.now(), text, where: region.outerHTML.slice(0, 80), length: text.length });
    }
  }).observe(document, { subtree: true, childList: true, characterData: true });
})();
