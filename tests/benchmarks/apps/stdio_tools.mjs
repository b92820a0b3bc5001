// An MCP server over stdio (revision 2025-11-25) that makes tools of an OpenAPI document's operations
// and calls them over HTTP: what a gateway that only speaks to MCP servers is given to stand before.
// It has no dependency and checks no argument, so that little is counted that is not the gateway's.
// Usage: node stdio_tools.mjs DOCUMENT.json
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';

const openapi = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const base = new URL(openapi.servers[0].url);
const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
const operations = new Map();
for (const [path, methods] of Object.entries(openapi.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    operations.set(operation.operationId, { path, method, operation });
  }
}

function schema({ requestBody, parameters = [] }) {
  if (requestBody) return requestBody.content['application/json'].schema;
  return {
    type: 'object',
    properties: Object.fromEntries(parameters.map((each) => [each.name, each.schema])),
    required: parameters.filter((each) => each.required).map((each) => each.name),
  };
}

const tools = [...operations].map(([name, { operation }]) => (
  { name, description: operation.description, inputSchema: schema(operation) }
));

function call({ name, arguments: given = {} }, answer) {
  const { path, method, operation } = operations.get(name);
  const rest = { ...given };
  const target = path.replace(/\{(\w+)\}/g, (_, key) => {
    delete rest[key];
    return encodeURIComponent(given[key]);
  });
  const body = operation.requestBody ? JSON.stringify(rest) : '';
  const query = body ? '' : new URLSearchParams(rest).toString();
  const options = {
    agent, method: method.toUpperCase(), host: base.hostname, port: base.port,
    path: query ? `${target}?${query}` : target,
    headers: body ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) } : {},
  };
  const sent = request(options, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (piece) => { text += piece; });
    response.on('end', () => answer({
      content: [{ type: 'text', text }],
      structuredContent: JSON.parse(text),
      isError: response.statusCode >= 400,
    }));
  });
  sent.on('error', (error) => answer({ content: [{ type: 'text', text: String(error) }], isError: true }));
  sent.end(body);
}

const methods = {
  initialize: (params, answer) => answer({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'orders', version: '1.0.0' },
  }),
  ping: (params, answer) => answer({}),
  'tools/list': (params, answer) => answer({ tools }),
  'tools/call': call,
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || !methods[method]) return;
  const answer = (result) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
  methods[method](params, answer);
});
