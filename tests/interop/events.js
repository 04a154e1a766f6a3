// npm's EventSource, which connects again by itself as browsers do: `node events.js URL`.
// It is not closed at the end, and has to be told by the server to stop. Any surprise is exit code 1.

const assert = require("node:assert");
const { EventSource } = require("eventsource");

const messages = [];
let ended = 0;
const source = new EventSource(process.argv[2]);
source.addEventListener("message", (event) => messages.push(JSON.parse(event.data).reason));
source.addEventListener("end", (event) => {
  ended += 1;
  assert.deepStrictEqual([JSON.parse(event.data).complete, event.lastEventId], [true, "$end"]);
});
source.addEventListener("error", () => {
  // The first is the end of the connection; after the second there is no third.
  if (source.readyState !== EventSource.CLOSED) return;
  assert.deepStrictEqual([messages, ended], [["ok", "ok"], 1]);
  console.log("stopped");
});
setTimeout(() => {
  console.error("it goes on", source.readyState, messages, ended);
  process.exit(1);
}, 20_000).unref();
