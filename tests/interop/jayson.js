// npm's JSON-RPC client, which says no more than `application/json`: `node jayson.js PORT`.
// Any surprise is exit code 1.

const assert = require("node:assert");
const jayson = require("jayson/promise");

async function main(port) {
  const client = jayson.Client.http({ hostname: "127.0.0.1", port, path: "/rpc3" });
  const sum = await client.request("add", [40, 2], "an-id");
  assert.deepStrictEqual(sum, { jsonrpc: "2.0", result: 42, id: "an-id" });
  assert.strictEqual((await client.request("add", { b: 2, a: 40 })).result, 42);
  const value = { a: [1, null, { b: "한글 <&>" }], n: Number.MAX_SAFE_INTEGER };
  assert.deepStrictEqual((await client.request("echo", [value])).result, value);
  assert.strictEqual((await client.request("add", [1])).error.code, -32602);
  assert.strictEqual((await client.request("nobody", [])).error.code, -32601);

  const batch = [
    client.request("add", [1, 2], undefined, false),
    client.request("hello", [], null, false),
    client.request("nobody", [], undefined, false),
  ];
  const answers = await client.request(batch);
  assert.deepStrictEqual(answers.map((answer) => answer.result ?? answer.error.code), [3, -32601]);
  // A notification has no answer.
  assert.strictEqual(await client.request("add", [1, 2], null), undefined);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
