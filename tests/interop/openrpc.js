// The document of rpc.discover against the schema of OpenRPC: `node openrpc.js URL`. Any surprise is exit code 1.

const assert = require("node:assert");
const Ajv = require("ajv").default;
const { jsonSchema } = require("@json-schema-tools/meta-schema");
const { openrpcDocument } = require("@open-rpc/meta-schema");

async function call(url, method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const reply = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  return reply.json();
}

async function main(url) {
  // The two schemas speak draft 7 under an address of their own.
  const ajv = new Ajv({ strict: false, validateSchema: false, logger: false });
  const plain = ({ $schema, ...schema }) => schema;
  ajv.addSchema(plain(jsonSchema), "https://meta.json-schema.tools");
  const isDocument = ajv.compile(plain(openrpcDocument));

  const { result: document } = await call(url, "rpc.discover");
  assert(isDocument(document), JSON.stringify(isDocument.errors, null, 2));
  // The check can fail: one thing wrong at a time is seen.
  for (const spoil of [
    (broken) => delete broken.info,
    (broken) => (broken.openrpc = "9.9.9"),
    (broken) => (broken.methods[0].params = "none"),
    (broken) => (broken.methods[0].result.schema = "integer"),
    (broken) => (broken.methods[0].paramStructure = "sideways"),
  ]) {
    const broken = structuredClone(document);
    spoil(broken);
    assert(!isDocument(broken), String(spoil));
  }

  // It tells of the methods that there are, and what it says of them is so.
  const { result: names } = await call(url, "system.listMethods");
  const listed = names.filter((name) => !/^(system|rpc)\./.test(name));
  const told = document.methods.map((method) => method.name);
  assert(told.every((name) => listed.includes(name)));
  const scalars = document.methods.find((method) => method.name === "scalars");
  const types = Object.fromEntries(scalars.params.map(({ name, schema }) => [name, schema.type]));
  assert.deepStrictEqual(types, { truth: "boolean", small: "integer", wide: "number", text: "string" });
  // Every schema is one, and the answer fits the one it was promised.
  for (const { params, result } of document.methods) {
    for (const { schema } of [...params, result]) ajv.compile(schema);
  }
  const given = { truth: true, small: 5, wide: -2.5, text: "x" };
  const { result: answer } = await call(url, "scalars", given);
  assert(ajv.compile(scalars.result.schema)(answer), JSON.stringify(answer));
  console.log(`${told.length} methods`);
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
