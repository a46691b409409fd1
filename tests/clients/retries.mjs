// OpenAI's SDK for Node with its default retries: a failed turn costs as many upstream turns as it deserves.
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
// The packages lie outside of this folder, where only `require` looks for them.
const { default: OpenAI } = createRequire(import.meta.url)('openai');

const { BASE_URL, API_KEY, UPSTREAM, WORKSPACE } = process.env;
const sdk = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: API_KEY });

async function take({ say, stream = false }, number) {
  const mark = `node-${number}`;
  const said = `${say} ${mark}`;
  let error = null;
  try {
    const answer = await sdk.chat.completions.create({ model: 'clients', messages: [{ role: 'user', content: said }], stream });
    if (stream) for await (const _ of answer);
  } catch (raised) {
    error = raised;
  }
  const { count } = await (await fetch(`${UPSTREAM}/count?said=${encodeURIComponent(said)}`)).json();
  const path = `${WORKSPACE}/${mark}`;
  const effects = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0;
  return { error, count, effects };
}

if (sdk.maxRetries !== 2) throw new Error('the SDK’s default is no longer what this test is about');
let failed = 0;
for (const [number, wanted] of JSON.parse(readFileSync(new URL('cases.json', import.meta.url))).entries()) {
  const { error, count, effects } = await take(wanted, number);
  const well = error instanceof OpenAI.APIError && count === wanted.upstream && effects === (wanted.effects ?? 0);
  if (!well) failed++;
  console.log(`${well ? 'PASS' : 'FAIL'} node: ${wanted.name}: ${count} upstream turns, ${effects} effects, ${String(error).slice(0, 120)}`);
}
process.exit(failed ? 1 : 0);
