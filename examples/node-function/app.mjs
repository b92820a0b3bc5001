/**
 * A customer directory: an HTTP function in plain Node, without dependencies.
 *
 * Start it with `node app.mjs`. It listens on `PORT` (default 9001, 0 picks a free one) of
 * 127.0.0.1, or on the Unix socket that `SOCKET` names. It knows nothing of tokens: the edge in
 * front of it checks them, and tells it who is calling in `X-Jelou-*` headers.
 */

import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const DOCUMENT = readFileSync(new URL("openapi.json", import.meta.url));
const MAX_BODY = 1024 * 1024; // bytes

/** Something wrong with the request, told to the caller as JSON. */
class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// --- the directory itself ----------------------------------------------------------------------

const customers = new Map(
  [
    { id: "c1", name: "Ana Torres", phone: "593987654321", city: "Guayaquil" },
    { id: "c2", name: "Luis Andrade", phone: "593912345678", city: "Quito" },
    { id: "c3", name: "María Vega", phone: "593998877665", city: "Quito" },
  ].map((customer) => [customer.id, customer]),
);
let last = customers.size;

function findCustomer({ body }) {
  const phone = text(body, "phone");
  const found = [...customers.values()].find((customer) => customer.phone === phone);
  if (!found) throw new RequestError(404, `no customer has the phone ${phone}`);
  return { status: 200, value: found };
}

function listCustomers({ query }) {
  const limit = wholeNumber(query, "limit", { fallback: 20, least: 1, most: 100 });
  const city = query.get("city");
  const found = [...customers.values()].filter((customer) => !city || customer.city === city);
  return { status: 200, value: { customers: found.slice(0, limit), total: found.length } };
}

function createCustomer({ body }) {
  const name = text(body, "name");
  const phone = text(body, "phone");
  if (!/^[0-9]{7,15}$/.test(phone)) {
    throw new RequestError(422, "phone: write 7 to 15 digits, without + or spaces");
  }
  const city = "city" in body ? text(body, "city") : "Guayaquil";
  const customer = { id: `c${++last}`, name, phone, city };
  customers.set(customer.id, customer);
  return { status: 201, value: customer };
}

function getCustomer({ path: [id] }) {
  const customer = customers.get(id);
  if (!customer) throw new RequestError(404, `no customer has the id ${id}`);
  return { status: 200, value: customer };
}

function deleteCustomer({ path: [id] }) {
  if (!customers.delete(id)) throw new RequestError(404, `no customer has the id ${id}`);
  return { status: 204 };
}

function streamReport({ query }) {
  const pause = wholeNumber(query, "pause", { fallback: 200, least: 0, most: 5000 });
  return { status: 200, events: report(pause) };
}

/** Yield [event name, value] pairs, waiting `pause` milliseconds after each city. */
async function* report(pause) {
  const cities = {};
  for (const { city } of customers.values()) cities[city] = (cities[city] ?? 0) + 1;
  const sorted = Object.entries(cities).sort();
  for (const [index, [city, number]] of sorted.entries()) {
    yield ["progress", { progress: index + 1, total: sorted.length, message: `${city}: ${number}` }];
    await sleep(pause);
  }
  const total = sorted.reduce((sum, [, number]) => sum + number, 0);
  yield ["result", { cities: Object.fromEntries(sorted), total }];
}

const ROUTES = [
  ["POST", /^\/$/, findCustomer],
  ["GET", /^\/customers$/, listCustomers],
  ["POST", /^\/customers$/, createCustomer],
  ["GET", /^\/customers\/([^/]+)$/, getCustomer],
  ["DELETE", /^\/customers\/([^/]+)$/, deleteCustomer],
  ["GET", /^\/report$/, streamReport],
];

// --- reading what was sent ---------------------------------------------------------------------

function text(body, name) {
  const value = body?.[name];
  if (typeof value !== "string" || !value.trim()) {
    throw new RequestError(422, `${name}: a non-empty string is required`);
  }
  return value;
}

function wholeNumber(query, name, { fallback, least, most }) {
  const value = query.get(name) ?? String(fallback);
  if (!/^[0-9]+$/.test(value) || Number(value) < least || Number(value) > most) {
    throw new RequestError(422, `${name}: a whole number from ${least} to ${most} is required`);
  }
  return Number(value);
}

/** Find the operation for a request, and its path parameters. */
function route(method, path) {
  const matching = ROUTES.filter(([, pattern]) => pattern.test(path));
  const found = matching.find(([known]) => known === method);
  if (found) return [found[2], decodeAll(path.match(found[1]).slice(1))];
  if (matching.length) {
    throw new RequestError(405, `${path} takes ${matching.map(([known]) => known).join(", ")}`);
  }
  throw new RequestError(404, `there is no ${path}`);
}

function decodeAll(segments) {
  try {
    return segments.map(decodeURIComponent);
  } catch {
    throw new RequestError(400, "the path is not percent-encoded UTF-8");
  }
}

/** Read the body as JSON; one that is too large is read to its end but not kept. */
async function readJson(request) {
  let size = 0;
  const pieces = [];
  for await (const piece of request) {
    size += piece.length;
    if (size <= MAX_BODY) pieces.push(piece);
  }
  if (size > MAX_BODY) throw new RequestError(413, `the body is over ${MAX_BODY} bytes`);
  try {
    return size ? JSON.parse(Buffer.concat(pieces).toString("utf8")) : undefined;
  } catch (error) {
    throw new RequestError(400, `the body is not JSON: ${error.message}`);
  }
}

// --- HTTP --------------------------------------------------------------------------------------

async function answer(request, response) {
  const [path, search = ""] = request.url.split(/\?(.*)/s);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const body = await readJson(request);
  if (method === "GET" && path === "/openapi.json") return send(response, 200, DOCUMENT);
  const [operation, parameters] = route(method, path);
  const result = operation({ path: parameters, query: new URLSearchParams(search), body });
  if (result.events) return sendEvents(response, result.events);
  return send(response, result.status, result.value && JSON.stringify(result.value));
}

function send(response, status, body) {
  const headers = body && {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  };
  response.writeHead(status, headers).end(body);
}

/** Send Server-Sent Events, each as soon as it is there; stop when the caller leaves. */
async function sendEvents(response, events) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  for await (const [name, value] of events) {
    if (response.destroyed) return;
    response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
  }
  response.end();
}

const server = createServer(async (request, response) => {
  try {
    await answer(request, response);
  } catch (error) {
    if (response.headersSent || response.destroyed) return response.destroy();
    if (!(error instanceof RequestError)) console.error(error);
    const [status, message] =
      error instanceof RequestError ? [error.status, error.message] : [500, "something went wrong"];
    send(response, status, JSON.stringify({ error: message }));
  } finally {
    console.error(`"${request.method} ${request.url}" ${response.statusCode}`);
  }
});
server.keepAliveTimeout = 75_000;

function ready() {
  const where = socket ? `unix:${socket}` : `http://127.0.0.1:${server.address().port}`;
  console.log(`▸ Function ready on ${where}`);
}

const socket = process.env.SOCKET;
if (socket) {
  rmSync(socket, { force: true });
  server.listen(socket, ready);
} else {
  server.listen(Number(process.env.PORT ?? 9001), "127.0.0.1", ready);
}
