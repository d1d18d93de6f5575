// Keeps a page fresh: fetches its own address again and carries over what changed, node by node, so that scroll
// position, selection, focus and open <details> stay as they are. Without this script the page refreshes by <meta>.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const AWAY_MS = 5000; // while the server does not answer
  const GIVE_UP_MS = 10000;
  const main = document.getElementById("main");
  const fresh = document.getElementById("fresh");
  const words = document.getElementById("fresh-words");
  let updated = new Date();
  let timer = 0;
  let request = null;

  const clock = (time) => time.toTimeString().slice(0, 8);

  function alike(one, other) {
    return one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
  }

  function carryOver(here, there) {
    if (here.nodeType === Node.TEXT_NODE) {
      // Appending keeps a selection within the text; setting it would not.
      if (there.data.startsWith(here.data)) {
        if (there.data.length > here.data.length) here.appendData(there.data.slice(here.data.length));
      } else {
        here.data = there.data;
      }
      return;
    }
    if (here.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name, value } of there.attributes) {
      if (here.getAttribute(name) !== value) here.setAttribute(name, value);
    }
    for (const { name } of [...here.attributes]) {
      if (!there.hasAttribute(name) && !(name === "open" && here.nodeName === "DETAILS")) here.removeAttribute(name);
    }
    const known = new Map();
    for (const child of here.children) if (child.id) known.set(child.id, child);
    let spot = here.firstChild;
    for (const wanted of [...there.childNodes]) {
      const named = wanted.id ? known.get(wanted.id) : undefined;
      const match = named && alike(named, wanted) ? named : spot && alike(spot, wanted) ? spot : null;
      if (match === null) {
        here.insertBefore(document.importNode(wanted, true), spot);
        continue;
      }
      if (match === spot) spot = spot.nextSibling;
      else here.insertBefore(match, spot);
      carryOver(match, wanted);
    }
    while (spot) {
      const next = spot.nextSibling;
      spot.remove();
      spot = next;
    }
  }

  const outputs = () => [...document.querySelectorAll("pre.output")];
  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 8;
  const toEnd = (box) => { box.scrollTop = box.scrollHeight; };

  function show(page) {
    const following = outputs().filter(atEnd);
    carryOver(main, page.getElementById("main"));
    document.title = page.title;
    following.forEach(toEnd);
  }

  function tell(lost) {
    fresh.classList.toggle("lost", lost);
    fresh.classList.toggle("live", !lost);
    words.textContent = lost ? `connection lost, last update ${clock(updated)}` : `updated ${clock(updated)}`;
  }

  async function refresh() {
    clearTimeout(timer);
    if (request) request.abort();
    const mine = (request = new AbortController());
    const limit = setTimeout(() => mine.abort(), GIVE_UP_MS);
    let lost = false;
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-store", signal: mine.signal });
      const text = await answer.text();
      const page = new DOMParser().parseFromString(text, "text/html");
      if (answer.status >= 500 || !page.getElementById("main")) throw new Error(`HTTP ${answer.status}`);
      updated = new Date();
      show(page);
    } catch {
      lost = true;
    } finally {
      clearTimeout(limit);
    }
    if (mine !== request) return; // the page was hidden, or somebody asked again meanwhile
    request = null;
    tell(lost);
    timer = setTimeout(refresh, lost ? AWAY_MS : EVERY_MS);
  }

  function pause() {
    clearTimeout(timer);
    if (request) request.abort();
    request = null;
  }

  const menu = document.getElementById("menu");
  document.addEventListener("click", ({ target }) => { if (!menu.contains(target)) menu.open = false; });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") menu.open = false; });

  outputs().forEach(toEnd);
  if (!("live" in main.dataset)) return;
  tell(false);
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : refresh()));
  if (!document.hidden) timer = setTimeout(refresh, EVERY_MS);
})();
