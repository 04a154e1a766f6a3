// Plays connections to Node's own HTTP server and prints what it saw of each: its requests in their order, and the code
// of what refused the rest. The connections are in a file of JSON: [{octets: hex, cut: where the second piece begins},
// …].
'use strict';
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const AT_ONCE = 64;
const connections = JSON.parse(fs.readFileSync(process.argv[2]));
// What the server saw, by the client's port.
const seen = new Map();

function noted(request, response) {
  const entry = { method: request.method, url: request.url, body: null };
  request.socket.seen.requests.push(entry);
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  // A body without an end stays null.
  request.on('error', () => {});
  request.on('end', () => {
    if (request.complete) entry.body = Buffer.concat(pieces).toString('hex');
    response.end();
  });
}

const server = http.createServer({ requestTimeout: 0, headersTimeout: 0 }, noted);
// A client that sends no more is answered all the same.
server.httpAllowHalfOpen = true;
server.on('connection', (socket) => {
  socket.seen = { requests: [], refused: null, closed: once(socket, 'close').catch(() => {}), socket };
  seen.set(socket.remotePort, socket.seen);
});
server.on('clientError', (error, socket) => {
  socket.seen.refused ??= error.code;
  socket.destroy();
});
// An offer to go on in another protocol whose body is wrong leaves it waiting for ever.
server.setTimeout(1000, (socket) => {
  socket.seen.refused ??= 'SILENT';
  socket.destroy();
});
server.on('connect', (request, socket) => socket.destroy());

async function played({ octets, cut }) {
  const bytes = Buffer.from(octets, 'hex');
  const client = net.connect({ port: server.address().port, host: '127.0.0.1', noDelay: true });
  // It may be refused, and cut, in the midst of what it sends.
  client.on('error', () => {});
  const closed = new Promise((resolve) => client.once('close', resolve));
  await once(client, 'connect');
  client.resume();
  const port = client.localPort;
  const turn = () => new Promise(setImmediate);
  while (!seen.has(port)) await turn();
  const told = seen.get(port);
  if (cut > 0) {
    client.write(bytes.subarray(0, cut));
    while (told.socket.bytesRead < cut && !told.socket.destroyed) await turn();
  }
  client.end(bytes.subarray(cut));
  await Promise.all([closed, told.closed]);
  seen.delete(port);
  return { requests: told.requests, refused: told.refused };
}

async function main() {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const all = [];
  let next = 0;
  const player = async () => {
    while (next < connections.length) {
      const nth = next++;
      all[nth] = await played(connections[nth]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, player));
  server.close();
  console.log(JSON.stringify(all));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
