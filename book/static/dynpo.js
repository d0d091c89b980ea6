// Formulas and tables that scroll sideways on a small screen can be scrolled with the
// keyboard too (the theme sees to code). Called when MathJax is done and on resizing.
(() => {
  const wide = "mjx-container[display=true], .pst-scrollable-table-container";
  const update = () => {
    for (const box of document.querySelectorAll(wide)) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
      } else {
        box.removeAttribute("tabindex");
      }
    }
  };
  window.addEventListener("resize", update);
  window.addEventListener("load", () => {
    const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
    ready.then(update);
  });
  document.addEventListener("toggle", update, true);
})();
