import type { JobSpec } from './job-spec.ts';

/** The server takes 400 bytes of summary and 20,000 of details (dynamic configuration `limit.userMetadata…Size`, Temporal 1.32). */
const SUMMARY_BYTES = 400;

/** Longer names and paths than this are cut in the middle. */
const PATH_CHARACTERS = 160;

/** A job in one line: Temporal's static summary. */
export function summaryOf({ input, model, labels }: JobSpec): string {
  const name = input.path.split(/[\\/]/).at(-1) ?? '';
  const schedule = labels?.schedule ?? null;
  return fittingSummary(
    [
      `Batch job of ${shortened(name)}, ${sizeOf(input.bytes)}`,
      model ?? 'models as each line says',
      ...(schedule === null ? [] : [`schedule ${shortened(schedule)}`]),
    ].join(' · '),
  );
}

/** What a job is and what can be done with it, in Markdown: Temporal's static details. It holds nothing that changes. */
export function staticDetailsOf(spec: JobSpec): string {
  const { jobId, input, labels } = spec;
  const facts: [what: string, value: string][] = [
    ['input', `${code(shortened(input.path))}, ${sizeOf(input.bytes)}, sha256 ${input.sha256.slice(0, 12)}…`],
    ['model', spec.model === null ? 'as each line says' : code(spec.model)],
    ['endpoint', spec.endpoint === null ? 'as each line says' : code(spec.endpoint)],
    ['largest batch', `${grouped(spec.shardLines)} lines, ${sizeOf(spec.shardBytes)}`],
    ['batches in flight', `at most ${grouped(spec.inFlight)}`],
    ['tries of a line', `at most ${spec.attempts}`],
    ['polls', `every ${spec.pollMs / 1_000} s at first, then less often up to once a minute`],
    ['bad lines', spec.skipBadLines ? 'end failed, the others go on' : 'refuse the whole input'],
    ['lost answers', spec.rebuy ? 'are bought again' : 'end failed, since they were paid'],
    [
      'batches that do not end',
      spec.giveUpAfterMs === null
        ? 'are waited for'
        : `are cancelled after ${grouped(spec.giveUpAfterMs / 3_600_000)} h`,
    ],
    ['account', labels?.account == null ? 'not named' : code(labels.account)],
    ['schedule', labels?.schedule == null ? 'none' : code(labels.schedule)],
    [
      'lines sent',
      spec.onlyNew === undefined
        ? 'all'
        : `those that no earlier job of series ${code(spec.onlyNew.schedule)} has answered`,
    ],
  ];
  return [
    "Sends every line of the input to OpenAI's Batch API and ends with one answer per line, in the input's order.",
    '',
    '| | |',
    '|---|---|',
    ...facts.map(([what, value]) => `| **${what}** | ${value} |`),
    '',
    '**Words:** a *line* is one request; a *shard* is the lines of one *batch*, which is an object at OpenAI; a *round* is one pass over the lines that have no answer yet. A line ends *answered*, *failed* or *cancelled*.',
    '',
    '**What to type**, with the environment of the workers (Temporal, `DURABLE_BATCH_HOME`):',
    '',
    `- results when it is done: \`durable-batch results ${jobId} --out DIR\``,
    `- where it stands: \`durable-batch status ${jobId}\`; the same is under *Current Details* here`,
    `- stop sending, go on: \`durable-batch pause ${jobId}\`, \`durable-batch resume ${jobId}\``,
    `- end it and keep what was answered: \`durable-batch cancel ${jobId}\`, or *Request Cancellation* here`,
    '- nothing moves: a worker has to run, `durable-batch worker` or the same `durable-batch run` again; *Current Details* are as of the last step of one',
    '- *Terminate* leaves batches running at OpenAI: start the same job again to fetch them. *Reset* is safe: nothing is bought twice.',
  ].join('\n');
}

/** A text cut to what a summary may have. */
export function fittingSummary(text: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += character > '~' ? 4 : 1; // counted high: no encoder is at hand in the sandbox
    if (bytes > SUMMARY_BYTES - 4) return `${text.slice(0, end)}…`;
    end += character.length;
  }
  return text;
}

/** A whole number with separators. */
export function grouped(n: number): string {
  return n.toLocaleString('en-US');
}

/** Bytes in the unit that suits. */
export function sizeOf(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1_000 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} bytes`;
}

/** An amount of money; small ones keep four digits. */
export function usd(amount: number): string {
  return `$${amount.toFixed(amount < 1 ? 4 : 2)}`;
}

function shortened(text: string): string {
  if (text.length <= PATH_CHARACTERS) return text;
  return `${text.slice(0, 40)}…${text.slice(-(PATH_CHARACTERS - 41))}`;
}

/** Text of the user's that must not be read as Markdown, nor end the cell of a table. */
function code(text: string): string {
  return `\`${text.replaceAll(/[`|\r\n]/g, ' ')}\``;
}
