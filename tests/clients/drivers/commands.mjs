/** What every driver in JavaScript does: a command a line on stdin, an answer a line on stdout. */

import { createInterface } from "node:readline";

export const URL_OF_MCP = new URL(process.env.JELOU_MCP_URL);
export const OPTIONS = {
  requestInit: { headers: { "X-Jelou-Token": process.env.JELOU_FUNCTION_TOKEN } },
};

const SECONDS = 5;
const changes = { heard: false, hear: () => {} };

/** Options with which a client notes that the tools changed. */
export const LIST_CHANGED = {
  listChanged: {
    tools: {
      onChanged: () => {
        changes.heard = true;
        changes.hear();
      },
    },
  },
};

/** Whether the tools change, or have changed since this was last asked. */
async function hearsChange() {
  if (!changes.heard) {
    const heard = new Promise((resolve) => (changes.hear = resolve));
    await Promise.race([heard, new Promise((resolve) => setTimeout(resolve, SECONDS * 1000))]);
  }
  const { heard } = changes;
  changes.heard = false;
  return heard;
}

const say = (value) => console.log(JSON.stringify(value));

/** Answer each command with a connected client until stdin ends. */
export async function obey(client, callTool) {
  say({ connected: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: wanted, tool, arguments: args } = JSON.parse(line);
    const progress = [];
    try {
      if (wanted === "list") {
        const { tools } = await client.listTools();
        say({ tools: tools.map((each) => each.name) });
        continue;
      }
      if (wanted === "wait for a change") {
        say({ changed: await hearsChange() });
        continue;
      }
      const onprogress = (update) => progress.push(update.progress);
      const { isError, content } = await callTool({ name: tool, arguments: args }, { onprogress });
      const text = content.map((each) => each.text ?? "").join("");
      say({ failed: isError === true, text, progress });
    } catch (error) {
      say({ raised: `${error.name}: ${error.message}` });
    }
  }
  await client.close();
}
