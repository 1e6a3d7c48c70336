// Results of 300,000 rows as tables, beside the writing of results.jsonl from the rows of shards. Each measurement is a process of its own, which
// has loaded DuckDB before, as a `run` over a table has.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { requestTemplateOf } from '../dist/client/index.js';
import { checkJobOptions, resolveJobSpec } from '../dist/core/job-spec.js';
import { loadDuckDb } from '../dist/duckdb/load-duckdb.js';
import { mergeRows } from '../dist/file-work/rows/merge-rows.js';
import { materializeRows } from '../dist/input/table/materialize-rows.js';
import { keepTemplate, templateReference } from '../dist/job/job-template.js';
import { saveOutput } from '../dist/output/save-output.js';
import { jobFiles, shardFiles } from '../dist/store/job-files.js';
import { openStore } from '../dist/store/open-store.js';

const RUNS = 3;
const JOB = 'job';
const SHARD_ROWS = 50_000;
const program = fileURLToPath(import.meta.url);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

if (argv[1] === program) {
  const [, , kind, folder, rows] = argv;
  if (kind === undefined) await benchResultsTable(mkdtempSync(join(tmpdir(), 'durable-batch-results-')));
  else await measure(kind, folder, Number(rows));
}

/** Prints the ratio of the time of each form to that of results.jsonl. */
export async function benchResultsTable(folder, rows = 300_000) {
  await writeJob(folder, rows);
  const kinds = ['results.jsonl', 'parquet', 'csv', 'jsonl'];
  const measured = Object.fromEntries(kinds.map((kind) => [kind, []]));
  // In turn, so that a machine that becomes slower slows all of them.
  for (let i = 0; i < RUNS; i += 1)
    for (const kind of kinds)
      measured[kind].push(
        JSON.parse(execFileSync(process.execPath, [program, kind, folder, rows], { encoding: 'utf8' })),
      );
  const seconds = (kind) => median(measured[kind].map((one) => one.seconds));
  const base = seconds('results.jsonl');
  const size = (statSync(join(folder, 'store', jobFiles.results(JOB))).size / 1e6).toFixed(0);
  const ratios = kinds.slice(1).map((kind) => {
    const peak = Math.max(...measured[kind].map((one) => one.peakMb));
    return `${kind} ${seconds(kind).toFixed(2)} s, ratio ${(seconds(kind) / base).toFixed(2)}, peak ${peak} MB`;
  });
  console.log(
    `results as table ${rows.toLocaleString('en')} rows, results.jsonl of ${size} MB in ${base.toFixed(2)} s; ${ratios.join('; ')} (goal for Parquet: 2)`,
  );
  rmSync(folder, { recursive: true, force: true });
}

async function writeJob(folder, rows) {
  const store = openStore(join(folder, 'store'));
  const source = {
    kind: 'query',
    sql: `SELECT i AS id, 'Review ' || i || ': ' || repeat('the food was good, ', 8) AS text FROM range(${rows}) t(i)`,
  };
  const { sha256, bytes, columnsId } = await materializeRows(source, store);
  const schema = {
    type: 'object',
    properties: {
      label: { type: 'string', enum: ['good', 'bad', 'mixed'] },
      score: { type: 'number' },
      topics: { type: 'array', items: { type: 'string' } },
    },
    required: ['label', 'score', 'topics'],
    additionalProperties: false,
  };
  const template = await requestTemplateOf({ prompt: '{{ text }}', model: 'gpt-5-mini', answer: schema });
  await keepTemplate(store, template);
  const options = { ...checkJobOptions({}), template: templateReference(template, 'rows') };
  const spec = resolveJobSpec(
    options,
    { path: 'rows', bytes, sha256, stored: true, columns: columnsId },
    JOB,
  );
  await store.replace(jobFiles.spec(JOB), JSON.stringify(spec));
  for (let shard = 0; shard * SHARD_ROWS < rows; shard += 1) {
    const path = join(folder, 'store', shardKey(shard));
    mkdirSync(dirname(path), { recursive: true });
    const from = shard * SHARD_ROWS + 1;
    const lines = Array.from({ length: Math.min(SHARD_ROWS, rows - from + 1) }, (_, i) => rowOf(from + i));
    writeFileSync(path, lines.join(''));
  }
}

function shardKey(shard) {
  return shardFiles.rows(JOB, `r1-${String(shard + 1).padStart(5, '0')}`, undefined);
}

/** A row with all members of an answer of the API. */
function rowOf(line) {
  const answer = JSON.stringify({ label: 'good', score: line / 7, topics: ['food', `topic ${line % 9}`] });
  const details = { cached_tokens: 0, audio_tokens: 0 };
  const response = {
    id: `chatcmpl-${String(line).padStart(24, '0')}`,
    object: 'chat.completion',
    created: 1_790_000_000,
    model: 'gpt-5-mini-2025-08-07',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: answer, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 60,
      completion_tokens: 20,
      total_tokens: 80,
      prompt_tokens_details: details,
      completion_tokens_details: { ...details, reasoning_tokens: 0 },
    },
    service_tier: 'default',
    system_fingerprint: 'fp_0123456789',
  };
  const row = { line, id: String(line), status: 'answered', attempts: 1, batch_id: 'batch_1' };
  return `${JSON.stringify({ ...row, response, error: null, usage: { input_tokens: 60, output_tokens: 20 } })}\n`;
}

async function measure(kind, folder, rows) {
  const store = join(folder, 'store');
  await loadDuckDb();
  const started = performance.now();
  if (kind === 'results.jsonl') {
    const files = Array.from({ length: Math.ceil(rows / SHARD_ROWS) }, (_, shard) => shardKey(shard));
    mergeRows(store, { files, target: jobFiles.results(JOB) });
  } else await saveOutput(openStore(store), JOB, join(folder, `results-table.${kind}`));
  const seconds = (performance.now() - started) / 1_000;
  const [, peakKb = 0] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  console.log(JSON.stringify({ seconds, peakMb: Math.round(Number(peakKb) / 1_024) }));
}
