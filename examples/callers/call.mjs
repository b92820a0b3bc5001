/**
 * Call a function with Node's fetch.
 *
 * JELOU_FUNCTION_URL and JELOU_FUNCTION_TOKEN say where and as whom.
 */

const res = await fetch(process.env.JELOU_FUNCTION_URL, {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    "X-Jelou-Token": process.env.JELOU_FUNCTION_TOKEN,
  },
  body: JSON.stringify({ phone: "593987654321" }),
});

if (!res.ok) {
  console.error(`${res.status}: ${await res.text()}`);
  process.exit(1);
}
const data = await res.json();
console.log(JSON.stringify(data));
