// build-shards and fetch-results' settling as bytes a second, beside a plain copy of the same file.
import { copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ByteCounter } from '../dist/file-work/byte-counter.js';
import { FileWork } from '../dist/file-work/file-work.js';
import { shardFiles } from '../dist/store/job-files.js';
import { openStore } from '../dist/store/open-store.js';

const seconds = async (work) => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1_000;
};

/** Seconds of the processor, of all threads: the ratio of two runs depends little on what else the machine does. */
const cpuSeconds = async (work) => {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
};

/** Prints MB/s of both, for `lines` lines on `threads` threads. */
export async function benchFileWork(folder, makeLine, lines, threads) {
  mkdirSync(folder, { recursive: true });
  const input = join(folder, 'input.jsonl');
  let text = '';
  for (let i = 1; i <= lines; i += 1) text += makeLine(i);
  writeFileSync(input, text);
  const bytes = statSync(input).size;
  const sha256 = createHash('sha256').update(text).digest('hex');
  text = '';
  const store = join(folder, 'store');
  const files = new FileWork({ store: openStore(store), threads });
  const shardLines = Math.ceil(lines / 4);
  const spec = {
    v: 1,
    jobId: 'bench',
    input: { path: input, bytes, sha256 },
    model: null,
    endpoint: null,
    shardLines,
    shardBytes: 190_000_000,
    skipBadLines: false,
  };
  await files.cancelShard({ job: 'none', shard: 'none' }).catch(() => undefined); // starts the first thread

  const copy = await seconds(() => copyFileSync(input, `${input}.copy`));
  const build = await seconds(() => files.shardInput({ spec, counter: new ByteCounter() }));
  console.log(
    `build-shards     ${rate(bytes, build)} MB/s, every line checked (one thread); plain copy ${rate(bytes, copy)} MB/s; ratio ${(build / copy).toFixed(1)}`,
  );

  const { outputs, outputBytes } = writeOutputs(store, lines, shardLines, makeText);
  const copyOut = await seconds(() => outputs.forEach(({ path }) => copyFileSync(path, `${path}.copy`)));
  const settle = await seconds(() => settleAll(files, outputs));
  console.log(
    `fetch-results    ${rate(outputBytes, settle)} MB/s, every line classified (${threads} threads, 4 shards); plain copy ${rate(outputBytes, copyOut)} MB/s; ratio ${(settle / copyOut).toFixed(1)}`,
  );
  await benchAnswers(files, store, lines, shardLines);
  await files.close();
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

/** Settling with a schema of the answers, beside the same answers without one, in turn. */
async function benchAnswers(files, store, lines, shardLines) {
  const { outputs } = writeOutputs(store, lines, shardLines, makeJson);
  const plain = [];
  const checked = [];
  for (let run = 0; run < ANSWER_RUNS; run += 1) {
    for (const [times, answer] of [
      [plain, undefined],
      [checked, { schema: answerSchema, attempts: 2 }],
    ]) {
      for (const { id } of outputs) rmSync(join(store, shardFiles.outcome('bench', id)), { force: true });
      times.push(await cpuSeconds(() => settleAll(files, outputs, answer)));
    }
  }
  const [without, withSchema] = [Math.min(...plain), Math.min(...checked)];
  console.log(
    `with a schema    ${(((withSchema - without) / lines) * 1e6).toFixed(1)} µs of CPU more an answer than ${((without / lines) * 1e6).toFixed(1)}, ${lines.toLocaleString('en-US')} answers; ratio ${(withSchema / without).toFixed(2)} (goal 1.3)`,
  );
}

/** The best of so many runs each. */
const ANSWER_RUNS = 5;

const answerSchema = {
  type: 'object',
  properties: {
    label: { type: 'string', enum: ['positive', 'negative', 'neutral'] },
    confidence: { type: 'number', minimum: 0, maximum: 1 },
    reason: { type: 'string' },
  },
  required: ['label', 'confidence', 'reason'],
  additionalProperties: false,
};

/** Writes the output file of each shard, its rows out of order. */
function writeOutputs(store, lines, shardLines, textOf) {
  let outputBytes = 0;
  const outputs = [];
  for (let shard = 0; shard < 4; shard += 1) {
    const id = `r1-0000${shard + 1}`;
    const path = join(store, shardFiles.output('bench', id, 1));
    const order = Array.from(
      { length: Math.min(shardLines, lines - shard * shardLines) },
      (_, i) => shard * shardLines + 1 + ((i * 7_919) % shardLines),
    );
    writeFileSync(
      path,
      order
        .filter((line) => line <= lines)
        .map((line) => makeAnswer(line, textOf(line)))
        .join(''),
    );
    outputBytes += statSync(path).size;
    outputs.push({ id, path });
  }
  return { outputs, outputBytes };
}

const settleAll = (files, outputs, answer) =>
  Promise.all(
    outputs.map(({ id }) =>
      files.settleShard({
        job: 'bench',
        shard: id,
        batch: 1,
        batchId: 'batch_bench',
        status: 'completed',
        hasOutput: true,
        hasErrors: false,
        refused: [],
        missing: 'retry',
        attempts: 3,
        ...(answer === undefined ? {} : { answer }),
      }),
    ),
  );

const makeText = (line) => `The answer to line ${line}, a sentence of ordinary length.`;

const makeJson = (line) =>
  JSON.stringify({
    label: answerSchema.properties.label.enum[line % 3],
    confidence: (line % 1_000) / 1_000,
    reason: makeText(line),
  });

function makeAnswer(line, content) {
  return `${JSON.stringify({
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: {
      status_code: 200,
      request_id: `req_${line}`,
      body: {
        id: `chatcmpl-${line}`,
        object: 'chat.completion',
        created: 1_790_000_000,
        model: 'gpt-5-mini-2025-08-07',
        choices: [
          {
            index: 0,
            message: {
              role: 'assistant',
              content,
              refusal: null,
            },
            logprobs: null,
            finish_reason: 'stop',
          },
        ],
        usage: {
          prompt_tokens: 24,
          completion_tokens: 14,
          total_tokens: 38,
          prompt_tokens_details: { cached_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 0 },
        },
      },
    },
    error: null,
  })}\n`;
}

const rate = (bytes, secs) => (bytes / 1e6 / secs).toFixed(0);
