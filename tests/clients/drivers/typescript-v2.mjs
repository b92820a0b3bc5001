/** Drives the official TypeScript SDK 2.x, in the mode that the argument names. */

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { LIST_CHANGED, obey, OPTIONS, URL_OF_MCP } from "./commands.mjs";

const mode = process.argv[2];
const client = new Client(
  { name: "driver", version: "1.0.0" },
  {
    versionNegotiation: { mode: ["auto", "legacy"].includes(mode) ? mode : { pin: mode } },
    ...LIST_CHANGED,
  },
);
await client.connect(new StreamableHTTPClientTransport(URL_OF_MCP, OPTIONS));
await obey(client, (call, options) => client.callTool(call, options));
