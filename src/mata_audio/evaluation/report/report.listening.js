// Fills each place of a listening view with its data, which stands in the page.
"use strict";
for (const place of document.querySelectorAll("[data-listening]")) {
  const data = JSON.parse(document.getElementById(place.dataset.listening).textContent);
  ListeningView.mount(place).update(data);
}
