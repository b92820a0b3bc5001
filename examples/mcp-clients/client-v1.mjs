/**
 * Use a function's tools from JavaScript or TypeScript, with the official SDK 1.x.
 *
 * Usage: npm ci && node client-v1.mjs [TOOL [ARGUMENTS AS JSON]]
 *
 * Prints, as JSON, the revision agreed on, the names of the tools, and what the tool answered.
 * JELOU_MCP_URL and JELOU_FUNCTION_TOKEN say where and as whom.
 */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [tool = "getCustomer", args = '{"id": "c1"}'] = process.argv.slice(2);

const client = new Client({ name: "example", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL(process.env.JELOU_MCP_URL), {
  requestInit: { headers: { "X-Jelou-Token": process.env.JELOU_FUNCTION_TOKEN } },
});

await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
const seen = {
  protocol: transport.protocolVersion,
  session: transport.sessionId !== undefined,
  tools: tools.map((each) => each.name),
  result,
};
console.log(JSON.stringify(seen, null, 2));
await transport.terminateSession(); // tells the server that this session is over
await client.close();
