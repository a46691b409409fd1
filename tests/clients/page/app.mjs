// What runs in the page: OpenAI's SDK as a web page would bundle it.
import OpenAI from 'openai';

const client = (base, key) => new OpenAI({ baseURL: `${base}/v1`, apiKey: key, dangerouslyAllowBrowser: true, maxRetries: 0 });
const user = (content) => [{ role: 'user', content }];

// A streamed chat: its deltas with the time of each, and the headers that the page may read.
window.streamed = async (base, key) => {
  const { data, response } = await client(base, key).chat.completions
    .create({ model: 'clients', messages: user('@@stream 10 40'), stream: true })
    .withResponse();
  const deltas = [];
  for await (const chunk of data) {
    const text = chunk.choices[0]?.delta?.content;
    if (text) deltas.push({ text, at: performance.now() });
  }
  const names = ['x-request-id', 'x-hermes-run-id', 'x-hermes-session-id'];
  return { deltas, headers: Object.fromEntries(names.map((name) => [name, response.headers.get(name)])) };
};

// A request that must fail: what the page learns of it.
window.refused = async (base, key, messages) => {
  try {
    await client(base, key).chat.completions.create({ model: 'clients', messages });
    return null;
  } catch (error) {
    return { kind: error.constructor.name, status: error.status ?? null, code: error.code ?? null, message: error.message };
  }
};

// The methods and headers that need a preflight of their own.
window.patched = async (base, key) => {
  const answer = await fetch(`${base}/api/sessions/nope`, {
    method: 'PATCH',
    headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', 'X-Hermes-Session-Key': 'k' },
    body: '{}',
  });
  return { status: answer.status, code: (await answer.json()).error.code };
};
