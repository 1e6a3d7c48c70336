// Tables to rows in the store, and through a template to shards, beside DuckDB's own copy of the same CSV to JSON lines. Each measurement is a
// process of its own.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { ByteCounter } from '../dist/file-work/byte-counter.js';
import { FileWork } from '../dist/file-work/file-work.js';
import { materializeRows } from '../dist/input/table/materialize-rows.js';
import { parseRequestTemplate } from '../dist/render/template-schema.js';
import { openStore } from '../dist/store/open-store.js';

const RUNS = 3;
const program = fileURLToPath(import.meta.url);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

if (argv[1] === program) {
  if (argv[2] === undefined) await benchTables(mkdtempSync(join(tmpdir(), 'durable-batch-tables-')));
  else await measure(argv[2], argv[3], argv[4]);
}

/** Prints ratios to DuckDB's copy, and the peak memory with four times the rows. */
export async function benchTables(folder, rows = 1_000_000) {
  mkdirSync(folder, { recursive: true });
  const csv = join(folder, 'rows.csv');
  const large = join(folder, 'large.csv');
  const parquet = join(folder, 'rows.parquet');
  writeCsv(csv, rows);
  writeCsv(large, 4 * rows);
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(`COPY (FROM read_csv('${csv}', all_varchar = true)) TO '${parquet}'`);
  connection.closeSync();
  instance.closeSync();

  const query = `SELECT * FROM read_csv('${csv}', all_varchar = true)`;
  const kinds = { copy: csv, csv, shards: csv, parquet, query };
  const measured = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  // In turn, so that a machine that becomes slower slows all of them.
  for (let i = 0; i < RUNS; i += 1)
    for (const [kind, source] of Object.entries(kinds)) measured[kind].push(inProcess(kind, source, folder));
  const seconds = (kind) => median(measured[kind].map((one) => one.seconds));
  const peak = (kind) => median(measured[kind].map((one) => one.peakMb));
  const ratio = (one, other) => (seconds(one) / seconds(other)).toFixed(2);
  console.log(
    `table to rows    ${rows.toLocaleString('en')} CSV rows, ${(statSync(csv).size / 1e6).toFixed(0)} MB: ${seconds('csv').toFixed(2)} s; DuckDB's copy to JSON lines ${seconds('copy').toFixed(2)} s; ratio ${ratio('csv', 'copy')}`,
  );
  console.log(
    `table to shards  the same through a template to shards: ${seconds('shards').toFixed(2)} s; ratio to DuckDB's copy ${ratio('shards', 'copy')} (goal 2.5)`,
  );
  console.log(
    `                 of the time of CSV: Parquet ${ratio('parquet', 'csv')}, a query of the CSV ${ratio('query', 'csv')} (goal 1.3)`,
  );
  const four = inProcess('shards', large, folder);
  console.log(
    `                 peak memory ${peak('shards')} MB (goal 600), with four times the rows ${four.peakMb} MB, ratio ${(four.peakMb / peak('shards')).toFixed(2)} (goal 1.10); rows alone ${peak('csv')} MB, Parquet ${peak('parquet')} MB, query ${peak('query')} MB, DuckDB's copy ${peak('copy')} MB; time with four times the rows ${(four.seconds / seconds('shards')).toFixed(1)}`,
  );
  rmSync(folder, { recursive: true, force: true });
}

function inProcess(kind, source, folder) {
  const store = join(folder, 'store');
  rmSync(store, { recursive: true, force: true });
  return JSON.parse(execFileSync(process.execPath, [program, kind, source, store], { encoding: 'utf8' }));
}

async function measure(kind, source, store) {
  mkdirSync(store, { recursive: true });
  if (kind === 'copy') {
    const instance = await DuckDBInstance.create();
    const connection = await instance.connect();
    const started = performance.now();
    await connection.run(`COPY (FROM read_csv('${source}')) TO '${join(store, 'rows.jsonl')}' (FORMAT json)`);
    report(started);
    connection.closeSync();
    return;
  }
  const rows = kind === 'query' ? { kind: 'query', sql: source } : { kind: 'paths', paths: [source] };
  const files = kind === 'shards' ? new FileWork({ store: openStore(store), threads: 1 }) : null;
  await files?.cancelShard({ job: 'none', shard: 'none' }).catch(() => undefined); // starts the thread
  const started = performance.now();
  const stored = await materializeRows(rows, openStore(store));
  if (files !== null) await writeShards(files, source, stored);
  report(started);
  await files?.close();
}

async function writeShards(files, path, { bytes, sha256 }) {
  const template = parseRequestTemplate({
    endpoint: '/v1/chat/completions',
    model: 'gpt-5-mini',
    prompt: 'What do they think of {{ product }}?\n\n{{ text }}',
  });
  const spec = {
    v: 1,
    jobId: 'bench',
    input: { path, bytes, sha256, stored: true },
    template: { sha256: 'x' },
    model: null,
    endpoint: null,
    shardLines: 50_000,
    shardBytes: 190_000_000,
    skipBadLines: false,
  };
  const { fault } = await files.shardInput({ spec, template, counter: new ByteCounter() });
  if (fault !== undefined) throw new Error(JSON.stringify(fault));
}

function report(started) {
  const seconds = (performance.now() - started) / 1_000;
  const [, peakKb = 0] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  console.log(JSON.stringify({ seconds, peakMb: Math.round(Number(peakKb) / 1_024) }));
}

function writeCsv(path, rows) {
  writeFileSync(path, 'id,stars,created,product,text\n');
  const words =
    'the quick brown fox jumps over a lazy dog, while it rains "outside" and nobody minds at all'.split(' ');
  let seed = 1;
  const next = (n) => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) % n;
  for (let from = 1; from <= rows; from += 50_000) {
    let block = '';
    for (let i = from; i < Math.min(rows + 1, from + 50_000); i += 1) {
      const text = Array.from({ length: 22 + next(21) }, () => words[next(words.length)]).join(' ');
      block += `${i},${1 + (i % 5)},2026-0${1 + (i % 9)}-1${i % 10},product ${i % 1_000},"${text.replaceAll('"', '""')}"\n`;
    }
    appendFileSync(path, block);
  }
}
