// The theme that was chosen, before anything is painted. A script and no module, since modules wait for the page.
(() => {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
