// The forms of the page of the methods: calls over RPC, and empty fields that are not sent. Without this script the
// form for the web works all the same.
"use strict";

// A field as a value: text stays text, everything else is written as JSON. An empty field is no argument.
function valueOf(input) {
  return ["string", "base64"].includes(input.dataset.kind) ? input.value : JSON.parse(input.value);
}
function xmlOf(value) {
  const escaped = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const inner = value === null ? "<nil/>"
    : typeof value === "boolean" ? `<boolean>${value ? 1 : 0}</boolean>`
    : Number.isInteger(value) ? (Math.abs(value) < 2 ** 31 ? `<int>${value}</int>` : `<i8>${value}</i8>`)
    : typeof value === "number" ? `<double>${value}</double>`
    : Array.isArray(value) ? `<array><data>${value.map(xmlOf).join("")}</data></array>`
    : typeof value === "object" ? `<struct>${Object.entries(value).map(([name, item]) => `<member><name>${escaped(name)}</name>${xmlOf(item)}</member>`).join("")}</struct>`
    : `<string>${escaped(value)}</string>`;
  return `<value>${inner}</value>`;
}
async function call(form, method, protocol) {
  const inputs = [...form.querySelectorAll("input")];
  const given = inputs.filter(input => input.value !== "");
  // XML-RPC has no names: what stands behind the last given field is left out, a gap before it is not possible.
  const positional = inputs.slice(0, inputs.indexOf(given.at(-1)) + 1);
  const gap = positional.find(input => input.value === "");
  if (protocol === "xml" && gap) throw new Error(`XML-RPC has no names: \`${gap.name}\` cannot be left out before others`);
  const xml = () => `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${positional.map(input => `<param>${xmlOf(valueOf(input))}</param>`).join("")}</params></methodCall>`;
  const json = () => JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: Object.fromEntries(given.map(input => [input.name, valueOf(input)])) });
  const [path, type, body] = protocol === "xml" ? ["/RPC2", "text/xml", xml()] : ["/rpc3", "application/json-rpc", json()];
  const reply = await fetch(path, { method: "POST", headers: { "content-type": type }, body });
  return `${body}\n\n${reply.status} ${reply.statusText}\n${await reply.text()}`;
}
for (const form of document.forms) {
  const method = form.closest("section").dataset.method;
  for (const button of form.querySelectorAll("[data-rpc]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const shown = document.createElement("pre");
      shown.textContent = await call(form, method, button.dataset.rpc).catch(error => String(error));
      form.querySelector("output").replaceChildren(shown);
    });
  }
  // What is left empty is not sent, as over RPC.
  form.addEventListener("submit", () => {
    const empty = [...form.querySelectorAll("input:not([required])")].filter(input => input.value === "");
    empty.forEach(input => { input.disabled = true; });
    setTimeout(() => empty.forEach(input => { input.disabled = false; }));
  });
}
