// Talks to the demo's WebSocket in every form a message may have; prints how each connection ended.
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const http = require('node:http');
const WebSocket = require('ws');

const port = process.argv[2];
const MIB = 1 << 20;
const at = (path) => `ws://127.0.0.1:${port}/websocket/${path}`;

async function echo() {
  const socket = new WebSocket(at('echo'), { perMessageDeflate: false });
  await once(socket, 'open');
  return socket;
}

// Listens before it sends: an answer may be quicker than the next turn.
async function said(socket, send) {
  const answer = once(socket, 'message');
  send();
  const [octets, binary] = await answer;
  return binary ? octets : octets.toString();
}

async function messages() {
  const socket = await echo();
  const parts = async (pieces, binary) => {
    const whole = await said(socket, () =>
      pieces.forEach((piece, n) => socket.send(piece, { fin: n === pieces.length - 1, binary })));
    const sent = binary ? Buffer.concat(pieces) : pieces.join('');
    assert.ok(binary ? sent.equals(whole) : sent === whole, `${pieces.length} fragments`);
  };
  await parts(['a'], false);
  await parts(['gr', 'öß', 'er'], false);
  await parts(['', '', 'end'], false);
  await parts(Array(3).fill('x'.repeat(40000)), false);
  await parts([Buffer.from([0]), Buffer.alloc(70000, 255), Buffer.from([1])], true);
  // A ping between two fragments is answered before the message is whole.
  const pong = once(socket, 'pong');
  socket.send('one ', { fin: false });
  socket.ping('between');
  assert.strictEqual((await pong)[0].toString(), 'between');
  assert.strictEqual(await said(socket, () => socket.send('message', { fin: true })), 'one message');
  for (const word of ['', 'word', 'w'.repeat(125)]) {
    const answered = once(socket, 'pong');
    socket.ping(word);
    assert.strictEqual((await answered)[0].toString(), word);
  }
  await parts(['x'.repeat(MIB)], false);
  await parts([Buffer.alloc(MIB, 127)], true);
  // Many at once come back in their order.
  const all = [];
  const whole = new Promise((resolve) => {
    socket.on('message', (octets) => all.push(octets.toString()) === 200 && resolve());
  });
  for (let n = 0; n < 200; n += 1) socket.send(`${n}`);
  await whole;
  assert.deepStrictEqual(all, Array.from({ length: 200 }, (_, n) => `${n}`));
  await ended(socket, 1000);
}

// The other side says the same code.
async function ended(socket, code) {
  const closed = once(socket, 'close');
  socket.close(code, 'because');
  console.log((await closed)[0]);
}

// Asks by hand, so that what is refused can be read.
function refused(path, version) {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': version,
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  return new Promise((resolve, reject) => {
    const asked = http.get({ port, host: '127.0.0.1', path: `/websocket/${path}`, headers });
    asked.on('response', (reply) => reply.resume().on('end', () => resolve(reply.statusCode)));
    asked.on('upgrade', () => reject(new Error(`${path} was taken`)));
    asked.on('error', reject);
  });
}

async function main() {
  await messages();
  for (const code of [1001, 3001, 4999]) {
    const socket = await echo();
    assert.strictEqual(await said(socket, () => socket.send('once')), 'once');
    // Of 1001 the library has no words of its own; the frame is the same.
    if (code === 1001) {
      const closed = once(socket, 'close');
      socket._sender.close(code, 'because', true);
      console.log((await closed)[0]);
    } else {
      await ended(socket, code);
    }
  }
  console.log(await refused('nowhere', '13'));
  console.log(await refused('echo', '7'));
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
