import type { JobSpec } from './job-spec.ts';

/** The server accepts 400 bytes of summary and 20,000 of details (dynamic configuration `limit.userMetadata…Size`, Temporal 1.32). */
const SUMMARY_BYTES = 400;

/** Longer names and paths are cut in the middle. */
const PATH_CHARACTERS = 160;

/** A job in one line: Temporal's static summary. */
export function summaryOf({ input, model, labels }: JobSpec): string {
  const name = input.path.split(/[\\/]/).at(-1) ?? '';
  const schedule = labels?.schedule ?? null;
  return fittingSummary(
    [
      `Batch job of ${shortened(name)}, ${sizeOf(input.bytes)}`,
      model ?? 'model of each line',
      ...(schedule === null ? [] : [`schedule ${shortened(schedule)}`]),
    ].join(' · '),
  );
}

/** A job's options and the commands for it, in Markdown: Temporal's static details, which cannot change during a run. */
export function staticDetailsOf(spec: JobSpec): string {
  const { jobId, input, labels } = spec;
  const facts: [what: string, value: string][] = [
    ['input', `${code(shortened(input.path))}, ${sizeOf(input.bytes)}, sha256 ${input.sha256.slice(0, 12)}…`],
    ['model', spec.model === null ? 'from each line' : code(spec.model)],
    ['endpoint', spec.endpoint === null ? 'from each line' : code(spec.endpoint)],
    ['largest batch', `${grouped(spec.shardLines)} lines, ${sizeOf(spec.shardBytes)}`],
    ['batches in flight', `at most ${grouped(spec.inFlight)}`],
    ['attempts per line', `at most ${spec.attempts}`],
    ...answersOf(spec),
    ['polls', `every ${spec.pollMs / 1_000} s at first, then less often, down to once a minute`],
    ['bad lines', spec.skipBadLines ? 'end as failed' : 'refuse the whole input'],
    ['lost answers', spec.rebuy ? 'are bought again' : 'end as failed, since they were paid'],
    [
      'batches that do not end',
      spec.giveUpAfterMs === null
        ? 'the job waits'
        : `cancelled after ${grouped(spec.giveUpAfterMs / 3_600_000)} h`,
    ],
    ['account', labels?.account == null ? 'not named' : code(labels.account)],
    ['schedule', labels?.schedule == null ? 'none' : code(labels.schedule)],
    [
      'lines sent',
      spec.onlyNew === undefined
        ? 'all'
        : `without an answer from an earlier job of series ${code(spec.onlyNew.schedule)}`,
    ],
  ];
  return [
    "Sends every line of the input to OpenAI's Batch API and returns one answer per line, in the input's order.",
    '',
    '| | |',
    '|---|---|',
    ...facts.map(([what, value]) => `| **${what}** | ${value} |`),
    '',
    '**Terms:** a *line* is one request; a *shard* is the lines of one *batch*, which is an object at OpenAI; a *round* is one pass over the lines that have no answer yet. A line ends *answered*, *failed* or *cancelled*.',
    '',
    '**Commands**, with the environment of the workers (Temporal, `DURABLE_BATCH_HOME`):',
    '',
    `- get the results when the job has ended: \`durable-batch results ${jobId} --out DIR\``,
    `- show the status: \`durable-batch status ${jobId}\`; *Current Details* here show the same`,
    `- stop sending, continue: \`durable-batch pause ${jobId}\`, \`durable-batch resume ${jobId}\``,
    `- end the job and keep its answers: \`durable-batch cancel ${jobId}\`, or *Request Cancellation* here`,
    '- without progress: start a worker with `durable-batch worker`, or run the same `durable-batch run` again; *Current Details* are as of the last step of a worker',
    '- *Terminate* leaves batches running at OpenAI: start the same job again to fetch them. *Reset* is safe: nothing is bought twice.',
  ].join('\n');
}

function answersOf({ answer }: JobSpec): [what: string, value: string][] {
  if (answer === undefined) return [];
  const feedback = answer.tellErrors === true ? ', and the next request says what was wrong' : '';
  return [['answers per line', `at most ${answer.attempts} that do not fit the schema${feedback}`]];
}

/** Cuts a text to the size of a summary. */
export function fittingSummary(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += character > '~' ? 4 : 1; // an upper bound: the sandbox has no encoder
    if (bytes > SUMMARY_BYTES - 4) return `${text.slice(0, end)}…`;
    end += character.length;
  }
  return text;
}

/** A whole number with separators. */
export function grouped(n: number): string {
  return n.toLocaleString('en-US');
}

/** Bytes in the largest fitting unit. */
export function sizeOf(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1_000 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} bytes`;
}

/** An amount of USD; amounts below 1 have four decimals. */
export function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 ? 4 : 2)}`;
}

function shortened(text: string): string {
  if (text.length <= PATH_CHARACTERS) return text;
  return `${text.slice(0, 40)}…${text.slice(-(PATH_CHARACTERS - 41))}`;
}

/** The user's text as inline code: it is not parsed as Markdown, and does not end a table cell. */
function code(text: string): string {
  return `\`${text.replaceAll(/[`|\r\n]/g, ' ')}\``;
}
