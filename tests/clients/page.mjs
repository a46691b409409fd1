// A page on another origin, in a real browser: it streams a chat, reads headers and errors; a foreign page gets nothing.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const esbuild = require('esbuild');

const { BASE_URL, API_KEY, PAGE_PORT, OTHER_PORT, NODE_PATH } = process.env;
const folder = new URL('page/', import.meta.url);
const built = await esbuild.build({
  entryPoints: [fileURLToPath(new URL('app.mjs', folder))], nodePaths: [NODE_PATH],
  bundle: true, write: false, platform: 'browser', format: 'iife', logLevel: 'error',
});
const files = { '/': ['text/html', readFileSync(new URL('index.html', folder))], '/bundle.js': ['text/javascript', built.outputFiles[0].contents] };
const serve = (port) => new Promise((ready) => {
  const server = createServer((request, response) => {
    const [type, content] = files[request.url] ?? ['text/plain', ''];
    response.writeHead(content ? 200 : 404, { 'Content-Type': type }).end(content);
  });
  server.listen(Number(port), '127.0.0.1', () => ready(server));
});
const servers = [await serve(PAGE_PORT), await serve(OTHER_PORT)];
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
assert(executablePath, 'chromium is missing: apt-get install chromium');
// The proxy of the machine is not for a page on this machine.
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--no-proxy-server', '--disable-gpu'] });

let failed = 0;
const check = async (name, run) => {
  try { await run(); console.log(`PASS page: ${name}`); } catch (error) { failed++; console.log(`FAIL page: ${name}: ${error.message}`); }
};
const open = async (port) => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
};
const page = await open(PAGE_PORT);
const other = await open(OTHER_PORT);
const hello = [{ role: 'user', content: 'hello' }];

await check('deltas arrive one by one, in order', async () => {
  const { deltas } = await page.evaluate(([base, key]) => window.streamed(base, key), [BASE_URL, API_KEY]);
  assert.equal(deltas.map((delta) => delta.text).join(''), [...Array(10).keys()].map((n) => `tok${n} `).join(''));
  assert(deltas.length >= 8, `${deltas.length} deltas`);
  const took = deltas.at(-1).at - deltas[0].at;
  assert(took > 200, `the whole text came within ${took} ms: it was held back`);
});
await check('the headers of the answer can be read', async () => {
  const { headers } = await page.evaluate(([base, key]) => window.streamed(base, key), [BASE_URL, API_KEY]);
  for (const [name, value] of Object.entries(headers)) assert(value, `${name} is not exposed`);
});
await check('an error can be read', async () => {
  const wrong = await page.evaluate(([base, key]) => window.refused(base, key, []), [BASE_URL, API_KEY]);
  assert.equal(wrong?.status, 400, JSON.stringify(wrong));
  const denied = await page.evaluate(([base, messages]) => window.refused(base, 'wrong', messages), [BASE_URL, hello]);
  assert.deepEqual([denied?.status, denied?.code], [401, 'invalid_api_key'], JSON.stringify(denied));
});
await check('PATCH and the headers of the product pass the preflight', async () => {
  const answer = await page.evaluate(([base, key]) => window.patched(base, key), [BASE_URL, API_KEY]);
  assert.equal(answer.status, 404);
});
await check('a page whose origin is not allowed learns nothing', async () => {
  const refused = await other.evaluate(([base, key, messages]) => window.refused(base, key, messages), [BASE_URL, API_KEY, hello]);
  assert.equal(refused?.kind, 'APIConnectionError', JSON.stringify(refused));
  assert.equal(refused.status, null);
});

await browser.close();
for (const server of servers) server.close();
process.exit(failed ? 1 : 0);
