// Light or dark, before anything is drawn: the choice that was made here, else the system's.
'use strict';
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem('tenure.theme');
  } catch {
    // Storage can be forbidden; then the system decides.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
