// The page follows the status by server-sent events: each has the sections that have changed, as the server draws them.
// Nodes stay where they are and only what differs is changed, so that focus, open parts, scroll and selection stay.
// Without this script the page is whole; it is then as of the moment when it was loaded.
"use strict";

const live = document.getElementById("live");
const state = document.getElementById("live-state");
const clock = document.getElementById("live-clock");
const end = document.getElementById("live-end");
const pause = document.getElementById("pause");

// A connection from which nothing has come for so long is taken for lost: an event comes each second.
const SILENCE = 5000;
// After so long a connection that was refused is tried again.
const AGAIN = 10000;

let source = null;
let isPaused = false;
let silence = 0;
let again = 0;

function say(word, rest, isLost) {
  state.textContent = word;
  end.textContent = rest;
  live.classList.toggle("lost", isLost);
}

// Makes `old` what `fresh` is, node by node.
function morph(old, fresh) {
  const keyed = new Map();
  for (const node of old.children) if (node.dataset?.key !== undefined) keyed.set(node.dataset.key, node);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key;
    let here = key === undefined ? at : keyed.get(key);
    const fits = here && here.nodeType === wanted.nodeType && here.nodeName === wanted.nodeName &&
      here.dataset?.key === key;
    if (!fits) {
      old.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    if (here === at) at = at.nextSibling;
    else old.insertBefore(here, at);
    if (here.nodeType !== Node.ELEMENT_NODE) {
      if (here.data !== wanted.data) here.data = wanted.data;
      continue;
    }
    for (const { name } of [...here.attributes]) {
      // Whether a part is open is the reader's choice.
      if (!wanted.hasAttribute(name) && name !== "open") here.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
      if (here.getAttribute(name) !== value) here.setAttribute(name, value);
    }
    morph(here, wanted);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

// Whether the reader has marked text in a section: it would be lost if that changed.
function isMarked(section) {
  const marked = document.getSelection();
  return !marked.isCollapsed && marked.rangeCount > 0 && marked.getRangeAt(0).intersectsNode(section);
}

// What came for sections that were marked then.
const waiting = new Map();

function show({ clock: moment, order, changed }) {
  for (const [id, html] of Object.entries(changed)) waiting.set(id, html);
  for (const [id, html] of waiting) {
    let section = document.getElementById(id);
    if (section && isMarked(section)) continue;
    if (!section) {
      // A section that was not there, such as the first request that was kept.
      section = document.createElement("section");
      section.id = id;
      section.className = "part";
      section.setAttribute("aria-labelledby", `${id}-title`);
      const before = order.slice(order.indexOf(id) + 1).map(next => document.getElementById(next)).find(Boolean);
      document.getElementById("main").insertBefore(section, before ?? null);
    }
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    morph(section, fresh.content);
    waiting.delete(id);
  }
  for (const section of document.querySelectorAll("section.part")) {
    if (!order.includes(section.id)) section.remove();
  }
  clock.textContent = moment;
  say("Live, as of", "", false);
}

function lost() {
  say("As of", ", not live: the connection is lost", true);
}

function watch() {
  clearTimeout(silence);
  silence = setTimeout(lost, SILENCE);
}

function connect() {
  clearTimeout(again);
  source = new EventSource(live.dataset.events);
  watch();
  source.addEventListener("status", event => {
    watch();
    show(JSON.parse(event.data));
  });
  source.addEventListener("late", () => {
    watch();
    say("As of", ", not live: the status did not come in time", true);
  });
  source.addEventListener("gone", () => location.reload());
  source.addEventListener("error", () => {
    lost();
    // A browser connects again by itself, unless it was refused.
    if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN);
  });
}

function disconnect() {
  clearTimeout(silence);
  clearTimeout(again);
  source?.close();
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) {
    disconnect();
    say("As of", ", paused", false);
  } else {
    connect();
  }
});
// A page in the background costs the server nothing.
document.addEventListener("visibilitychange", () => {
  if (isPaused) return;
  if (document.hidden) disconnect();
  else connect();
});
connect();
