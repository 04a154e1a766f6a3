// Posts by Node's fetch: `node tls_posts.js URL COUNT`, with NODE_EXTRA_CA_CERTS for an authority of one's own. Prints how
// many answers were right, how many wrong and how many calls failed, then what the first failure said.
const [url, count] = process.argv.slice(2);

(async () => {
  let [right, wrong, failures] = [0, 0, []];
  for (let n = 0; n < Number(count); n++) {
    try {
      const reply = await fetch(`${url}/add`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ a: 1200, b: n }),
      });
      const isRight = reply.status === 200 && (await reply.text()) === String(1200 + n);
      isRight ? right++ : wrong++;
    } catch (error) {
      failures.push(String(error.cause ?? error));
    }
  }
  console.log(`${right} ${wrong} ${failures.length}`);
  console.log(`node ${process.versions.node}, undici ${process.versions.undici}`, ...failures.slice(0, 1));
})();
