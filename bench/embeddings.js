// Embeddings of Markdown: rows per request, and the settling of shared requests beside requests of their own.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { ByteCounter } from '../dist/file-work/byte-counter.js';
import { settleShard } from '../dist/file-work/rows/settle-shard.js';
import { shardInput } from '../dist/file-work/threads/thread.js';
import { materializeRows } from '../dist/input/table/materialize-rows.js';
import { parseRequestTemplate } from '../dist/render/template-schema.js';
import { inputFiles, shardFiles } from '../dist/store/job-files.js';
import { openStore } from '../dist/store/open-store.js';

const JOB = 'bench';
const CHUNK_TOKENS = 256;
const DIMENSIONS = 1_536;
const RUNS = 3;
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const root = fileURLToPath(new URL('..', import.meta.url));
const template = parseRequestTemplate({
  endpoint: '/v1/embeddings',
  model: 'text-embedding-3-small',
  prompt: '{{ text }}',
});

const vector = JSON.stringify(
  Array.from({ length: DIMENSIONS }, (_, i) => Number((Math.sin(i) / 39).toFixed(8))),
);

if (argv[1] === fileURLToPath(import.meta.url))
  await benchEmbeddings(mkdtempSync(join(tmpdir(), 'durable-batch-embeddings-')));

/** Prints how many rows share a request, and the ratio of the times of settling. */
export async function benchEmbeddings(folder) {
  mkdirSync(folder, { recursive: true });
  const source = {
    kind: 'paths',
    paths: [join(root, 'node_modules/**/*.md')],
    chunks: { tokens: CHUNK_TOKENS },
    unreadable: 'row',
  };
  const rows = await materializeRows(source, openStore(folder));
  const { packs, shards } = await build(folder, rows);
  const requests = packs.flat();
  const lines = requests.reduce((sum, pack) => sum + pack.length, 0);
  console.log(
    `embeddings       ${lines.toLocaleString('en')} chunks of Markdown in ${requests.length} requests, ${shards} batches; ${(lines / requests.length).toFixed(0)} rows a request (goal 20)`,
  );

  const text = Array.from({ length: 5_000 }, (_, i) => `${JSON.stringify({ text: `Text ${i}` })}\n`).join('');
  const own = [];
  const shared = [];
  for (let i = 0; i < RUNS; i += 1) {
    own.push(await settle(join(folder, `own-${i}`), text, false));
    shared.push(await settle(join(folder, `shared-${i}`), text, true));
  }
  console.log(
    `                 5,000 vectors settled in ${median(shared).toFixed(2)} s, with a request each in ${median(own).toFixed(2)} s, ratio ${(median(shared) / median(own)).toFixed(2)}`,
  );
  rmSync(folder, { recursive: true, force: true });
}

/** Builds the shards of rows in the store; returns what is in the manifests. */
async function build(folder, { sha256, bytes }) {
  const input = { path: 'rows', bytes, sha256, stored: true };
  const limits = { shardLines: 50_000, shardBytes: 190_000_000 };
  const spec = { v: 1, jobId: JOB, input, model: null, endpoint: null, skipBadLines: true, ...limits };
  const options = { spec: { ...spec, template: { sha256: 'x' } }, template };
  const { plan, fault } = await shardInput({ folder, options, counter: new ByteCounter().shared });
  if (fault !== undefined) throw new Error(JSON.stringify(fault));
  const packs = Array.from({ length: plan.shards }, (_, i) => manifestOf(folder, i + 1).packs);
  return { packs, shards: plan.shards };
}

function manifestOf(folder, shard) {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(JOB, `r1-0000${shard}`)), 'utf8'));
}

/** Returns the seconds in which a batch of these rows is settled. */
async function settle(folder, text, isShared) {
  const sha256 = createHash('sha256').update(text).digest('hex');
  mkdirSync(join(folder, 'inputs', sha256), { recursive: true });
  const path = join(folder, inputFiles.rows(sha256));
  writeFileSync(path, text);
  const { packs } = await build(folder, { sha256, bytes: statSync(path).size });
  const shard = 'r1-00001';
  const manifest = manifestOf(folder, 1);
  let sizes = packs[0].map((pack) => pack.length);
  if (!isShared) {
    sizes = sizes.flatMap((size) => Array.from({ length: size }, () => 1));
    delete manifest.packs;
    writeFileSync(join(folder, shardFiles.manifest(JOB, shard)), JSON.stringify(manifest));
  }
  let line = 1;
  const output = sizes.map((size) => {
    const row = answerRow(line, size);
    line += size;
    return row;
  });
  writeFileSync(join(folder, shardFiles.output(JOB, shard, 1)), output.join(''));
  const started = performance.now();
  const outcome = settleShard(folder, {
    job: JOB,
    shard,
    batch: 1,
    batchId: 'batch_1',
    status: 'completed',
    hasOutput: true,
    hasErrors: false,
    refused: [],
    missing: 'ask',
    attempts: 3,
  });
  const seconds = (performance.now() - started) / 1_000;
  if (outcome.answered !== manifest.lines) throw new Error(JSON.stringify(outcome));
  rmSync(folder, { recursive: true });
  return seconds;
}

function answerRow(line, size) {
  const data = Array.from(
    { length: size },
    (_, i) => `{"object":"embedding","index":${i},"embedding":${vector}}`,
  );
  const body = `{"object":"list","data":[${data.join(',')}],"model":"text-embedding-3-small","usage":{"prompt_tokens":${size * 9},"total_tokens":${size * 9}}}`;
  return `{"id":"batch_req_${line}","custom_id":"${line}","response":{"status_code":200,"request_id":"x","body":${body}},"error":null}\n`;
}
