// Node's https: several requests on one agent, the certificate of a client. Prints what it saw as JSON.
// node tls_client.js PORT AUTHORITY NAME [CERT KEY]
const fs = require("fs");
const https = require("https");

const [port, authority, name, cert, key] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });

function ask(path) {
  return new Promise((resolve, reject) => {
    const asked = https.request(
      {
        host: "127.0.0.1", port, path, agent, servername: name, headers: { host: name },
        ca: fs.readFileSync(authority), cert: cert && fs.readFileSync(cert), key: key && fs.readFileSync(key),
      },
      (reply) => {
        let body = "";
        reply.setEncoding("utf8");
        reply.on("data", (piece) => (body += piece));
        reply.on("end", () => resolve({ status: reply.statusCode, body, reused: asked.reusedSocket }));
        reply.on("error", reject);
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

(async () => {
  const first = await ask("/tls/seen");
  const big = await ask("/tls/big");
  const last = await ask("/tls/seen");
  agent.destroy();
  console.log(JSON.stringify({ first, big: { status: big.status, length: big.body.length }, last }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
