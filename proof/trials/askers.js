// As `askers.py` with the kind `kept`, of Node's http agent: `askers.js PORT COUNT REST`. The agent itself sees what
// was closed at rest and takes another connection; what it tells as an error is a failed request.
const http = require("http");

const [port, count, rest] = process.argv.slice(2).map(Number);
const PATHS = ["/pid", "/rests?ms=15", "/pid"];
const now = () => Number(process.hrtime.bigint()) / 1e9;
const found = { good: Array(count).fill(0), asked: [], failed: [], ended: [], announced: 0 };
let over = false;

// The name of an error, as `askers.py` has it.
function named(error) {
  if (error.code === "ECONNREFUSED") return "refused";
  if (error.code === "ECONNRESET") return error.message === "socket hang up" ? "silent" : "reset";
  return error.code === "EPIPE" ? "reset" : String(error.code || error);
}

function ask(agent, path) {
  return new Promise(resolve => {
    const one = { began: now(), local: 0, body: "", on: 0 };
    let isDone = false;
    const done = failure => {
      if (isDone) return;
      isDone = true;
      const at = now();
      found.asked.push([one.began, at, one.local, failure ? 0 : Number(one.body)]);
      if (failure) found.failed.push([failure, one.began, at, one.local, 0, one.on, path]);
      resolve(!failure);
    };
    const request = http.get({ host: "127.0.0.1", port, path, agent, timeout: 10000 }, reply => {
      one.local = request.socket.localPort;
      if (reply.headers.connection === "close") found.announced++;
      reply.setEncoding("utf8").on("data", text => { one.body += text; });
      reply.on("end", () => {
        if (!reply.complete) return done("cut");
        done(reply.statusCode !== 200 ? `status ${reply.statusCode}` : /^\d+$/.test(one.body) ? null : "another body");
      });
      reply.on("error", () => done("cut"));
    });
    request.on("socket", socket => {
      one.on = request.reusedSocket ? 1 : 0;
      if (socket.localPort) one.local = socket.localPort;
      else socket.once("connect", () => { one.local = socket.localPort; });
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", error => done(named(error)));
  });
}

async function client(nth) {
  // One connection at a time.
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
  await pause(Math.random() * rest * 1000);
  for (let turn = nth; !over; turn++) {
    if (await ask(agent, PATHS[turn % PATHS.length])) found.good[nth]++;
    await pause(rest * 1000);
  }
  agent.destroy();
}

process.stdin.resume().on("end", () => { over = true; });
console.log("ready");
Promise.all([...Array(count).keys()].map(client)).then(() => console.log(JSON.stringify(found)));
