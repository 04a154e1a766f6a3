// The script of the page of the methods, run on the page as it was sent: `node page.js URL`.
// What it touches of a browser is a few lines, which stand in for one here. Any surprise is exit code 1.

const assert = require("node:assert");
const vm = require("node:vm");

async function main(url) {
  const page = await (await fetch(`${url}/status/methods`)).text();
  const [, address] = page.match(/<script src="([^"]+)"/);
  const script = await (await fetch(url + address)).text();

  // The forms: their fields with what a reader writes into them, their buttons with what a click does.
  const written = { truth: "true", small: "5", wide: "-2.5", text: `a <& "b"`, needed: "7", many: "[1, 2]" };
  const forms = page.split("<section ").slice(1).map((section) => {
    const inputs = [...section.matchAll(/<input [^>]*name="(\w+)" data-kind="(\w+)"/g)].map(([, name, kind]) => ({
      name,
      value: written[name] ?? "",
      dataset: { kind },
    }));
    const buttons = [...section.matchAll(/data-rpc="(\w+)" hidden/g)].map(([, rpc]) => ({
      hidden: true,
      dataset: { rpc },
      addEventListener(_, click) {
        this.click = click;
      },
    }));
    const output = { replaceChildren: (shown) => (output.text = shown.textContent) };
    return {
      method: section.match(/data-method="([^"]+)"/)[1],
      buttons,
      output,
      closest: () => ({ dataset: { method: section.match(/data-method="([^"]+)"/)[1] } }),
      querySelector: () => output,
      querySelectorAll: (what) => (what.startsWith("input") ? inputs : buttons),
      addEventListener() {},
    };
  });
  const document = { forms, createElement: () => ({}) };
  vm.runInNewContext(script, { document, setTimeout, fetch: (path, options) => fetch(url + path, options) });

  const click = async (method, protocol) => {
    const form = forms.find((form) => form.method === method);
    const button = form.buttons.find((button) => button.dataset.rpc === protocol);
    assert(!button.hidden);
    await button.click();
    return form.output.text;
  };
  assert((await click("scalars", "json")).endsWith(`{"jsonrpc":"2.0","result":[true,5,-2.5,"a <& \\"b\\""],"id":1}`));
  const xml = await click("scalars", "xml");
  for (const part of ["<boolean>1</boolean>", "<int>5</int>", "<double>-2.5</double>", "a &lt;&amp;"]) {
    assert(xml.split("200 OK")[1].includes(part), `${part} in ${xml}`);
  }
  // What is left empty is no argument, but by position nothing can be left out before what is given.
  assert((await click("defaults", "json")).includes(`"composer":"Mozart","maybe":null,"many":[1,2]`));
  assert((await click("defaults", "xml")).includes("`composer` cannot be left out"));
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exit(1);
});
