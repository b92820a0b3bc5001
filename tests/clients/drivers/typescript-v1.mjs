/** Drives the official TypeScript SDK 1.x. */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { LIST_CHANGED, obey, OPTIONS, URL_OF_MCP } from "./commands.mjs";

const client = new Client({ name: "driver", version: "1.0.0" }, LIST_CHANGED);
await client.connect(new StreamableHTTPClientTransport(URL_OF_MCP, OPTIONS));
await obey(client, (call, options) => client.callTool(call, undefined, options));
