import type { BatchEnd, BatchFate, LineRun, Schedule } from './schedule.ts';

/** One execution of a line in a batch. */
export interface Execution {
  readonly run: LineRun;
  /** The answer's body; null where there is none. Whatever has one is paid. */
  readonly body: Record<string, unknown> | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What a perfect day brings. */
const perfect: BatchFate = {
  end: { kind: 'completed' },
  looks: 1,
  restRows: true,
  output: 'here',
  errors: 'here',
  absent: 'null',
  capitals: false,
  hiddenSweeps: 0,
  unknownReads: 0,
  oddRows: [],
  countsLie: false,
  earlyIds: false,
  cancelledShare: 1,
  ignoresCancel: false,
};

/** A stuck batch gives up after so many looks, so that a schedule without a cancel ends too. */
const STUCK_LOOKS = 8;

/** A row's place in the files, and what it says. */
interface Row {
  readonly file: 'output' | 'errors';
  readonly json: string;
}

type Status =
  | 'validating'
  | 'in_progress'
  | 'finalizing'
  | 'cancelling'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelled';

/** A batch of the scripted API. It moves on when it is looked at: time is what the caller sees of it. */
export class ApiBatch {
  readonly fate: BatchFate;
  readonly createdAt: number = Math.floor(Date.now() / 1_000);
  status: Status = 'validating';
  errors: { code: string; message: string; param: string | null; line: number | null }[] = [];
  /** Executions by line. */
  readonly ran: Map<number, Execution> = new Map();
  /** Files whose last byte was sent. */
  readonly readToEnd: Set<'output' | 'errors'> = new Set();
  readonly files: { output: string | null; errors: string | null } = { output: null, errors: null };
  cancelAsked = false;
  sweepsLeft: number;
  readsLeft: number;
  private looks = 0;
  private looksAtEnd = 0;
  private reportedDone = 0;

  readonly id: string;
  readonly key: string;
  readonly fileId: string;
  readonly endpoint: string;
  readonly metadata: unknown;
  /** Numbers of its lines, in the order of its input file. */
  readonly lines: readonly number[];
  private readonly runLine: (line: number) => Execution;

  constructor(
    about: Pick<ApiBatch, 'id' | 'key' | 'fileId' | 'endpoint' | 'metadata' | 'lines'>,
    fate: BatchFate | undefined,
    runLine: (line: number) => Execution,
  ) {
    this.id = about.id;
    this.key = about.key;
    this.fileId = about.fileId;
    this.endpoint = about.endpoint;
    this.metadata = about.metadata;
    this.lines = about.lines;
    this.fate = fate ?? perfect;
    this.runLine = runLine;
    this.sweepsLeft = this.fate.hiddenSweeps;
    this.readsLeft = this.fate.unknownReads;
    if (this.fate.earlyIds) {
      this.files.output = this.fileId.replace('in', 'out-early');
      this.files.errors = this.fileId.replace('in', 'err-early');
    }
  }

  get isEnded(): boolean {
    return ['completed', 'failed', 'expired', 'cancelled'].includes(this.status);
  }

  /** True when the batch was refused so that its shard goes again as it is. */
  get isSentBack(): boolean {
    const { end } = this.fate;
    return this.status === 'failed' && end.kind === 'refused' && end.why !== 'model';
  }

  /** True when a file holds bytes that the caller can get, now or after asking again. */
  offers(file: 'output' | 'errors'): boolean {
    const fate = this.fate[file];
    return this.files[file] !== null && fate !== 'missing' && fate !== 'gone';
  }

  /** What `request_counts.completed` says at the end. */
  get countedDone(): number {
    return this.reportedDone;
  }

  /** Somebody looks at the batch: it moves on. */
  look(): void {
    if (this.isEnded) {
      this.looksAtEnd += 1;
      return;
    }
    this.looks += 1;
    const { end, looks } = this.fate;
    if (this.cancelAsked && !(this.fate.ignoresCancel && end.kind !== 'stuck')) {
      if (this.status === 'cancelling') this.finish('cancelled', this.fate.cancelledShare);
      else this.status = 'cancelling';
      return;
    }
    if (this.looks <= (end.kind === 'stuck' ? STUCK_LOOKS : looks)) {
      this.status = this.looks === 1 ? 'validating' : 'in_progress';
      return;
    }
    this.endBy(end);
  }

  toJson(): Record<string, unknown> {
    const { fate } = this;
    const { capitals } = fate;
    const status = capitals ? this.status.toUpperCase() : this.status;
    const shown = (file: 'output' | 'errors'): Record<string, unknown> => {
      const name = file === 'output' ? 'output_file_id' : 'error_file_id';
      const named =
        this.files[file] !== null &&
        fate[file] !== 'missing' &&
        (fate[file] !== 'late' || this.looksAtEnd > 0) &&
        (this.isEnded || fate.earlyIds);
      if (named) return { [name]: this.files[file] };
      if (fate.absent === 'left_out') return {};
      return { [name]: fate.absent === 'empty' ? '' : null };
    };
    return {
      id: this.id,
      object: 'batch',
      endpoint: this.endpoint,
      status,
      errors: this.errors.length === 0 ? null : { object: 'list', data: this.errors },
      input_file_id: this.fileId,
      completion_window: '24h',
      created_at: this.createdAt,
      request_counts: {
        total: this.lines.length,
        completed: this.reportedDone,
        failed: this.isEnded ? this.ran.size - this.reportedDone : 0,
      },
      metadata: this.metadata,
      ...shown('output'),
      ...shown('errors'),
    };
  }

  /** The file's bytes, as they are downloaded. */
  contentOf(file: 'output' | 'errors'): Buffer {
    if (!this.isEnded) return Buffer.alloc(0); // ids shown early name files that are still empty
    const { oddRows } = this.fate;
    const rows = this.rows()
      .filter((row) => row.file === file)
      .map(({ json }) => json);
    rows.push(...rows.splice(0, Math.floor(rows.length / 2))); // not in the input's order
    if (oddRows.includes('repeats')) rows.push(...rows);
    if (oddRows.includes('strangers') && rows.length > 0) {
      const stranger = { response: { status_code: 200, body: { stranger: true } }, error: null };
      for (const custom_id of ['999999', 'not-ours', '0', null])
        rows.splice(1, 0, JSON.stringify({ custom_id, ...stranger }));
    }
    if (oddRows.includes('broken_row') && rows.length > 0)
      rows.splice(1, 0, '{"custom_id":"1","response":{"st');
    const text = rows.map((row) => `${row}\n`).join('');
    return Buffer.from(oddRows.includes('no_last_newline') ? text.slice(0, -1) : text);
  }

  private endBy(end: BatchEnd): void {
    switch (end.kind) {
      case 'completed':
      case 'stuck':
        this.finish('completed', 1);
        return;
      case 'expired':
      case 'cancelled':
        this.finish(end.kind, end.afterShare);
        return;
      case 'refused':
        this.fail([refusals[end.why]]);
        return;
      case 'lines_refused':
        this.fail(
          this.lines
            .map((_, index) => index + 1)
            .filter((line) => line % end.every === 0)
            .map((line) => ({ code: 'invalid_request', message: 'Bad line.', param: 'body', line })),
        );
        return;
      default:
        end satisfies never;
    }
  }

  /** Ends the batch by validation; without anything to say against it, it runs. */
  private fail(errors: ApiBatch['errors']): void {
    if (errors.length === 0) {
      this.finish('completed', 1);
      return;
    }
    this.errors = errors;
    this.status = 'failed';
    this.files.output = this.files.errors = null;
  }

  private finish(status: 'completed' | 'expired' | 'cancelled', share: number): void {
    this.status = status;
    for (const line of this.lines.slice(0, Math.ceil(this.lines.length * share)))
      this.ran.set(line, this.runLine(line));
    const rows = this.rows();
    const name = this.id.slice('batch_'.length);
    const emptyErrors = this.fate.oddRows.includes('empty_error_file');
    this.files.output = rows.some(({ file }) => file === 'output') ? `file-out-${name}` : null;
    this.files.errors = emptyErrors || rows.some(({ file }) => file === 'errors') ? `file-err-${name}` : null;
    const done = [...this.ran.values()].filter(({ run }) => isCountedDone(run)).length;
    // Lying counts stay away from expired and cancelled batches without an output file: there they are all there is to tell
    // whether one should be.
    this.reportedDone = this.fate.countsLie && this.offers('output') ? this.lines.length * 2 - done : done;
  }

  private rows(): Row[] {
    const rows: Row[] = [];
    const { fate } = this;
    // Where the answer can be read, that is: else the row that contradicts it is all there is.
    let contradict = fate.oddRows.includes('contradictions') && fate.output === 'here';
    for (const line of this.lines) {
      const execution = this.ran.get(line);
      if (execution === undefined) {
        const code = this.status === 'expired' ? 'batch_expired' : 'batch_cancelled';
        if (fate.restRows) rows.push({ file: 'errors', json: neverRan(line, code) });
        continue;
      }
      const { run } = execution;
      if (run === 'no_row' || run === 'lost') continue;
      if (run === 'answer') {
        if (contradict) {
          rows.push({ file: 'output', json: withStatus(line, 500, errorBody('server_error')) });
          rows.push({ file: 'errors', json: withStatus(line, 500, errorBody('server_error')) });
          contradict = false;
        }
        const body = fate.oddRows.includes('body_as_text') ? JSON.stringify(execution.body) : execution.body;
        rows.push({ file: 'output', json: withStatus(line, 200, body) });
      } else if (run === 'timeout') {
        rows.push({ file: 'errors', json: neverRan(line, 'request_timeout') });
      } else {
        const { file, status, code } = failures[run];
        rows.push({ file, json: withStatus(line, status, status === 0 ? null : errorBody(code!)) });
      }
    }
    return rows;
  }
}

/** The API counts what lands in the output file, whatever its row says. */
function isCountedDone(run: LineRun): boolean {
  return (
    run === 'answer' ||
    run === 'lost' ||
    (run in failures && failures[run as keyof typeof failures].file === 'output')
  );
}

const refusals = {
  token_limit: {
    code: 'token_limit_exceeded',
    message:
      'Enqueued token limit reached for gpt-4o-mini in organization org-1. Limit: 2,000,000 enqueued tokens.',
    param: null,
    line: null,
  },
  file_not_found: {
    code: 'invalid_request',
    message: 'Cannot find file file-1, or organization org-1 does not have access to it.',
    param: 'file_id',
    line: null,
  },
  billing: {
    code: 'billing_hard_limit_reached',
    message: 'Billing hard limit has been reached.',
    param: null,
    line: null,
  },
  model: { code: 'model_not_found', message: 'The model is not supported.', param: 'body.model', line: null },
} as const;

/** Runs that end in a row with a status. */
export const failures: Record<
  Exclude<LineRun, 'answer' | 'no_row' | 'lost' | 'timeout'>,
  {
    readonly file: 'output' | 'errors';
    readonly status: number;
    readonly code: string | null;
    readonly final: boolean;
  }
> = {
  status_408: { file: 'errors', status: 408, code: 'timeout', final: false },
  status_409: { file: 'errors', status: 409, code: 'conflict', final: false },
  status_429: { file: 'errors', status: 429, code: 'rate_limit_exceeded', final: false },
  status_500: { file: 'errors', status: 500, code: 'server_error', final: false },
  status_0: { file: 'output', status: 0, code: null, final: false },
  bad_request: { file: 'errors', status: 400, code: 'context_length_exceeded', final: true },
  error_body: { file: 'output', status: 200, code: 'server_error', final: false },
  hopeless_body: { file: 'output', status: 200, code: 'invalid_prompt', final: true },
};

function withStatus(line: number, status_code: number, body: unknown): string {
  return JSON.stringify({
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: { status_code, request_id: 'req_1', body },
    error: null,
  });
}

function neverRan(line: number, code: string): string {
  return JSON.stringify({
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: null,
    error: { code, message: 'This request could not be executed.' },
  });
}

function errorBody(code: string): Record<string, unknown> {
  return { error: { message: 'It did not work.', type: 'some_error', param: null, code } };
}

/** The answer that a line's n-th execution gets. */
export function execute(schedule: Schedule, line: number, nth: number): Execution {
  const { kind, runs } = schedule.lines[line - 1]!;
  const run = runs[nth - 1] ?? 'answer';
  if (run !== 'answer' && run !== 'lost') return { run, body: null, inputTokens: 0, outputTokens: 0 };
  const inputTokens = line;
  const outputTokens = kind === 'embedding' ? 0 : nth;
  const usage =
    kind === 'response'
      ? { input_tokens: inputTokens, output_tokens: outputTokens }
      : kind === 'embedding'
        ? { prompt_tokens: inputTokens, total_tokens: inputTokens }
        : { prompt_tokens: inputTokens, completion_tokens: outputTokens };
  return {
    run,
    body: { object: kind, text: `answer ${nth} to line ${line}\u2028`, usage },
    inputTokens,
    outputTokens,
  };
}
