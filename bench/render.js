// build-shards over rows with a request template, beside build-shards over the same requests as ready lines.
import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ByteCounter } from '../dist/file-work/byte-counter.js';
import { FileWork } from '../dist/file-work/file-work.js';
import { openStore } from '../dist/store/open-store.js';
import { parseRequestTemplate } from '../dist/render/template-schema.js';

const columns = 'What do they think of {{ product }}?\n\n{{ text }}';
const templates = {
  'columns only': columns,
  'a filter': 'What do they think of {{ product }}?\n\n{{ text | strip }}',
  'a condition': `${columns}{% if stars > 3 %}\n\nThey gave {{ stars }} stars.{% endif %}`,
};

/** Prints the times of `rows` rows, in one run on one thread. */
export async function benchRendering(folder, rows) {
  mkdirSync(folder, { recursive: true });
  const files = new FileWork({ store: openStore(join(folder, 'store')), threads: 1 });
  await files.cancelShard({ job: 'none', shard: 'none' }).catch(() => undefined); // starts the thread
  const build = async (makeLine, prompt = null) => {
    const spec = await specOf(join(folder, 'input.jsonl'), makeLine, rows);
    const template =
      prompt === null
        ? {}
        : {
            template: parseRequestTemplate({ endpoint: '/v1/chat/completions', model: 'gpt-5-mini', prompt }),
          };
    const job = { ...spec, ...(prompt === null ? {} : { template: { sha256: 'x' } }) };
    const started = performance.now();
    const { fault } = await files.shardInput({ spec: job, ...template, counter: new ByteCounter() });
    if (fault !== undefined) throw new Error(JSON.stringify(fault));
    rmSync(join(folder, 'store', 'jobs'), { recursive: true });
    return { seconds: (performance.now() - started) / 1_000, mb: spec.input.bytes / 1e6 };
  };
  const ready = await build(makeRequest);
  console.log(
    `ready lines      ${rows.toLocaleString('en')} sharded in ${ready.seconds.toFixed(2)} s, ${ready.mb.toFixed(0)} MB (one thread)`,
  );
  for (const [name, prompt] of Object.entries(templates)) {
    const { seconds, mb } = await build(makeRow, prompt);
    console.log(
      `rows, ${name.padEnd(12)} rendered and sharded in ${seconds.toFixed(2)} s, ${mb.toFixed(0)} MB; ratio ${(seconds / ready.seconds).toFixed(2)}`,
    );
  }
  await files.close();
  rmSync(folder, { recursive: true, force: true });
}

const product = (i) => `Desk lamp ${i % 100}`;
const text = (i) =>
  `Review ${i}: the lamp arrived in two days, it is bright enough for a whole desk, and the "arm" stays where I put it. I would buy it again.`;

const makeRow = (i) =>
  `${JSON.stringify({ id: i, product: product(i), stars: i % 6, date: '2026-01-02', text: text(i) })}\n`;

const makeRequest = (i) =>
  `${JSON.stringify({ url: '/v1/chat/completions', body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: `What do they think of ${product(i)}?\n\n${text(i)}` }] } })}\n`;

async function specOf(path, makeLine, lines) {
  writeFileSync(path, '');
  for (let from = 1; from <= lines; from += 50_000) {
    let block = '';
    for (let i = from; i < Math.min(lines + 1, from + 50_000); i += 1) block += makeLine(i);
    appendFileSync(path, block);
  }
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return {
    v: 1,
    jobId: 'bench',
    input: { path, bytes: statSync(path).size, sha256: hash.digest('hex') },
    model: null,
    endpoint: null,
    shardLines: 50_000,
    shardBytes: 190_000_000,
    skipBadLines: false,
  };
}
