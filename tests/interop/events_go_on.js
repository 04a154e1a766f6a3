// npm's EventSource behind a proxy, as browsers are: `node events_go_on.js PORT PROCESS SUCCESSOR`. In the midst of the
// stream the server at PORT is told to end and the proxy goes over to SUCCESSOR, where the stream has to go on by
// itself. Prints `went on` and the id with which it did. Any surprise is exit code 1.

const assert = require("node:assert");
const net = require("node:net");
const { EventSource } = require("eventsource");

const [port, process_id, successor] = process.argv.slice(2).map(Number);
let target = port;
let ends = 0;
const asked = [];
const proxy = net.createServer((near) => {
  const far = net.connect(target, "127.0.0.1");
  near.on("data", (octets) => asked.push(String(octets)));
  near.pipe(far).pipe(near);
  for (const socket of [near, far]) socket.on("error", () => assert.fail("a connection broke"));
});
proxy.listen(0, "127.0.0.1", () => {
  const source = new EventSource(`http://127.0.0.1:${proxy.address().port}/draining/events`);
  const seen = [];
  let ended;
  source.addEventListener("end", () => assert.fail("that ends it for good"));
  source.addEventListener("error", () => {
    ends += 1;
    assert.strictEqual(source.readyState, EventSource.CONNECTING);
  });
  source.addEventListener("message", (event) => {
    seen.push(event.data);
    if (seen.length === 2) {
      ended = Date.now();
      target = successor;
      process.kill(process_id, "SIGTERM");
    }
    if (seen.length < 4) return;
    const after = Date.now() - ended;
    // Once for the end of the stream, and once more where a busy machine let it come back on the connection it had.
    assert.deepStrictEqual([seen, asked.length], [["1", "2", "1", "2"], ends + 1]);
    assert(ends <= 2 && after >= 1500 && after < 15_000, `it came again after ${after} ms`);
    console.log("went on", /last-event-id: (\S+)/i.exec(asked.at(-1))[1]);
    process.exit(0);
  });
});
setTimeout(() => {
  console.error("it does not go on", asked);
  process.exit(1);
}, 20_000).unref();
