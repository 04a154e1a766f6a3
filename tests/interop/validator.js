// UserLand's eight methods by npm's `xmlrpc`: `node validator.js URL`. Any surprise is exit code 1.

const assert = require("node:assert");
const { promisify } = require("node:util");
const xmlrpc = require("xmlrpc");

async function main(url) {
  const client = xmlrpc.createClient(url);
  const send = promisify(client.methodCall.bind(client));
  const call = (name, ...params) => send(`validator1.${name}`, params);

  const stooges = [1, 20, -7].map((curly) => ({ moe: 5, larry: 6, curly }));
  assert.strictEqual(await call("arrayOfStructsTest", stooges), 14);
  assert.deepStrictEqual(await call("countTheEntities", `<<>&&&''"x"`), {
    ctLeftAngleBrackets: 2,
    ctRightAngleBrackets: 1,
    ctAmpersands: 3,
    ctApostrophes: 2,
    ctQuotes: 2,
  });
  assert.strictEqual(await call("easyStructTest", { moe: 1, larry: 2, curly: 39 }), 42);
  const struct = { substruct: { moe: 1, text: "a < b & c" }, list: [1, "two", false] };
  assert.deepStrictEqual(await call("echoStructTest", struct), struct);
  const when = new Date(2026, 10, 23, 7, 15, 30);
  const many = [7, true, "text", 3.25, when, Buffer.from([0, 1, 255])];
  assert.deepStrictEqual(await call("manyTypesTest", ...many), many);
  const strings = Array.from({ length: 150 }, (_, at) => `<${at}>`);
  assert.strictEqual(await call("moderateSizeArrayCheck", strings), "<0><149>");
  const day = { moe: 10, larry: 20, curly: 5 };
  assert.strictEqual(await call("nestedStructTest", { 1999: {}, 2000: { "04": { "01": day } } }), 35);
  assert.deepStrictEqual(await call("simpleStructReturnTest", 13), { times10: 130, times100: 1300, times1000: 13000 });

  await assert.rejects(call("easyStructTest", 1), (error) => error.faultCode === -32602);
  await assert.rejects(send("validator1.nobody", []), (error) => error.faultCode === -32601);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
