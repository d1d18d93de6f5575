// Node's xmlrpc: makes the calls it reads from its standard input; see foreign.py.
const readline = require("readline");
const xmlrpc = require("xmlrpc");

function toJson(value) {
  if (value instanceof Date) return { "@date": value.toISOString().slice(0, 19) };
  if (Array.isArray(value)) return value.map(toJson);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [url, method, params] = JSON.parse(line);
  xmlrpc.createClient(url).methodCall(method, params, (problem, value) => {
    let said = { value: toJson(value) };
    if (problem && "faultCode" in problem) said = { fault: [problem.faultCode, problem.faultString] };
    else if (problem) said = { error: String(problem) };
    console.log(JSON.stringify(said));
  });
});
