// On a small screen, formulas and tables that are too wide scroll on their own, with the
// keyboard too (the theme sees to code). Done when MathJax is ready and on every change.
(() => {
  const boxes = "mjx-container, .pst-scrollable-table-container";
  const update = () => {
    for (const formula of document.querySelectorAll("mjx-container:not([display])")) {
      const room = formula.closest("p, li, dd, div").clientWidth;
      const width = formula.firstElementChild.getBoundingClientRect().width;
      formula.classList.toggle("too-wide", width > room && !formula.closest("table"));
    }
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = getComputedStyle(box).overflowX === "auto";
      if (scrolls && box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  window.addEventListener("resize", update);
  document.addEventListener("toggle", update, true); // what was folded has no width
  document.addEventListener("click", () => setTimeout(update));
  window.addEventListener("load", () => {
    const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
    ready.then(update);
  });
})();
