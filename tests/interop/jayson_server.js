// A foreign member: npm's JSON-RPC server, behind a check that many servers have: nothing but
// `application/json` comes in.
// Serves on a free port, prints the port and runs until its stdin ends.

const http = require("node:http");
const jayson = require("jayson");

const methods = {
  subtract: (given, done) =>
    done(null, Array.isArray(given) ? given[0] - given[1] : given.minuend - given.subtrahend),
  refuse: (given, done) => done({ code: 4711, message: "not this one" }),
  double: (given, done) => done(null, given[0] * 2),
};

const rpc = new jayson.Server(methods).http();
const server = http.createServer((request, reply) => {
  const [type] = (request.headers["content-type"] ?? "").split(";");
  if (type === "application/json") rpc.emit("request", request, reply);
  else reply.writeHead(415).end("application/json alone is taken here");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
