import type {
  ApiLimits,
  BatchEnd,
  BatchFate,
  CountsForm,
  Junk,
  LineFlaw,
  LineRun,
  Refusal,
  RowDamage,
  Schedule,
} from './schedule.ts';

/** One execution of a line in a batch. */
export interface Execution {
  /** `account`: the account was refused when it was the line's turn. */
  readonly run: LineRun | 'account';
  /** The answer's body; null where there is none. Whatever has one is paid. */
  readonly body: Record<string, unknown> | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The error in the row if the account was refused. */
  readonly refusal?: { readonly status: number; readonly code: string };
}

export type FileKind = 'output' | 'errors';

/** Whether a reader can get a row of a file. */
export type RowReading = 'readable' | 'unreadable' | 'never';

/** A batch without faults. */
const perfect: BatchFate = {
  end: { kind: 'completed' },
  readsToEnd: 1,
  restRows: true,
  output: 'here',
  errors: 'here',
  outputJunk: null,
  errorsJunk: null,
  absent: 'null',
  statusForm: 'usual',
  hiddenLists: 0,
  unknownReads: 0,
  oddRows: [],
  damage: null,
  counts: 'true',
  earlyIds: false,
  cancelledShare: 1,
  ignoresCancel: false,
};

/** A stuck batch ends after so many reads, so that a schedule without a cancel ends too. */
const STUCK_READS = 8;

/** The ten minutes in which the files of an ended batch are requested again, scaled by the patience of `World`. */
export const TEN_MINUTES_MS = 600;

/** Late files and statuses appear in the first sixth of the ten minutes. */
const LATE_MS = TEN_MINUTES_MS / 6;

/** A row of a file. */
interface Row {
  readonly file: FileKind;
  readonly line: number;
  readonly bytes: Buffer;
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

/** The status names of another server. */
const unknownStatuses: Readonly<Record<Status, string>> = {
  validating: 'queued',
  in_progress: 'running',
  finalizing: 'writing',
  cancelling: 'stopping',
  completed: 'succeeded',
  failed: 'error',
  expired: 'timed_out',
  cancelled: 'stopped',
};

/** What the API knows about a batch when it is created. */
interface AboutBatch {
  readonly id: string;
  readonly key: string;
  readonly fileId: string;
  readonly endpoint: string;
  readonly metadata: unknown;
  /** Numbers of its lines, in the order of its input file. */
  readonly lines: readonly number[];
  readonly flaws: ReadonlyMap<number, LineFlaw>;
  readonly limits: ApiLimits;
  /** True when the attempt that created it had been given up. */
  readonly byZombie: boolean;
}

/** A batch of the scripted API. Each read or list advances it: its time is the number of reads. */
export class ApiBatch {
  readonly fate: BatchFate;
  readonly about: AboutBatch;
  readonly createdAt: number = Math.floor(Date.now() / 1_000);
  status: Status = 'validating';
  errors: { code: string; message: string; param: string | null; line: number | null }[] = [];
  /** Executions by line. */
  readonly ran: Map<number, Execution> = new Map();
  /** Files that were sent whole, to their last byte. */
  readonly readToEnd: Set<FileKind> = new Set();
  readonly files: { output: string | null; errors: string | null } = { output: null, errors: null };
  cancelAsked = false;
  /** True once a cancel of it arrived and failed. */
  cancelTried = false;
  /** Reads of the running batch after the job was cancelled and before the batch was. */
  readsUncancelled = 0;
  hiddenListsLeft: number;
  unknownReadsLeft: number;
  private reads = 0;
  private endedAt = Number.POSITIVE_INFINITY;
  private asked: { since: number; until: number } | null = null;
  private stale: Record<string, unknown> | null = null;
  private readonly runLine: (line: number) => Execution;

  constructor(about: AboutBatch, fate: BatchFate | undefined, runLine: (line: number) => Execution) {
    this.about = about;
    this.fate = fate ?? perfect;
    this.runLine = runLine;
    this.hiddenListsLeft = this.fate.hiddenLists;
    this.unknownReadsLeft = this.fate.unknownReads;
    if (this.fate.earlyIds) {
      this.files.output = about.fileId.replace('in', 'out-early');
      this.files.errors = about.fileId.replace('in', 'err-early');
    }
  }

  get id(): string {
    return this.about.id;
  }

  get key(): string {
    return this.about.key;
  }

  get lines(): readonly number[] {
    return this.about.lines;
  }

  get isEnded(): boolean {
    return ['completed', 'failed', 'expired', 'cancelled'].includes(this.status);
  }

  /** True when the batch was refused for a reason that sends its shard again unchanged. */
  get isSentBack(): boolean {
    const { end } = this.fate;
    return this.status === 'failed' && end.kind === 'refused' && end.why !== 'model';
  }

  /** True when reads of its output are refused permanently. */
  get isContentRefused(): boolean {
    return [...this.about.flaws.values()].includes('content_400');
  }

  /** How long answers that it did not show were requested, by the API's clock. */
  get askedMs(): number {
    return this.asked === null ? 0 : this.asked.until - this.asked.since;
  }

  /** True when a line was answered, and so paid. */
  isPaid(line: number): boolean {
    return this.ran.get(line)?.body != null;
  }

  /** True when requests over ten minutes get the whole file. */
  offers(file: FileKind): boolean {
    const fate = this.fate[file];
    const junk = this.junkOf(file);
    return (
      this.files[file] !== null &&
      this.status !== 'failed' &&
      fate !== 'missing' &&
      fate !== 'gone' &&
      junk?.lasts !== 'for ever' &&
      !(file === 'output' && this.isContentRefused)
    );
  }

  /** What requests over ten minutes can read of a line in a file. */
  reading(line: number, file: FileKind): RowReading {
    if (!this.isEnded || !this.offers(file)) return 'never';
    if (!this.rows().some((row) => row.line === line && row.file === file)) return 'never';
    return file === 'output' && this.isCut(line) ? 'unreadable' : 'readable';
  }

  /** True when the row with the line's answer is cut off. */
  isCut(line: number): boolean {
    return this.damageOf(line) === 'cut' && this.ran.get(line)?.run === 'answer';
  }

  /** True when a file that is a JSON array of rows, at first or always, has a row of the line. */
  hasRowInArray(line: number): boolean {
    const arrays = [
      ...(this.fate.outputJunk?.form === 'json_array' ? ['output'] : []),
      ...(this.fate.errorsJunk?.form === 'json_array' ? ['errors'] : []),
    ];
    return this.rows().some((row) => row.line === line && arrays.includes(row.file));
  }

  /** What can be read of a line in either file. */
  readingOf(line: number): RowReading {
    const readings = [this.reading(line, 'output'), this.reading(line, 'errors')];
    return readings.find((reading) => reading !== 'never') ?? 'never';
  }

  /** A paid answer as a user can get it: invalid JSON in its row becomes null or a replacement character. */
  answerTo(line: number): Record<string, unknown> | null {
    const body = this.ran.get(line)?.body ?? null;
    if (body === null) return null;
    const damage = this.damageOf(line);
    if (damage === 'not_a_number') return { score: null, ...body };
    if (damage === 'control_character') return { ...body, text: `\u0007\t${String(body['text'])}` };
    return damage === 'bad_utf8' ? { ...body, text: `\uFFFD${String(body['text'])}` } : body;
  }

  /** Records a read of a file that may lack rows, or a request without a result. */
  noteMiss(): void {
    const now = Date.now();
    this.asked = { since: this.asked?.since ?? now, until: now };
  }

  /** Records that a read showed the batch; once it has ended, its output should be named. */
  noteShown(where: 'alone' | 'in the list'): void {
    if (!this.isEnded || this.status === 'failed') return;
    if (this.asked === null ? !this.names('output') : where === 'alone') this.noteMiss();
  }

  /** Advances the batch, at a read or list of it. */
  advance(): void {
    if (this.isEnded) return;
    this.reads += 1;
    const { end, readsToEnd } = this.fate;
    if (this.cancelAsked && !(this.fate.ignoresCancel && end.kind !== 'stuck')) {
      if (this.status === 'cancelling') this.finish('cancelled', this.fate.cancelledShare);
      else this.status = 'cancelling';
      return;
    }
    if (this.reads <= (end.kind === 'stuck' ? STUCK_READS : readsToEnd)) {
      this.status = this.reads === 1 ? 'validating' : 'in_progress';
      return;
    }
    this.endBy(end);
  }

  /** True when a read of the batch names the file. */
  names(file: FileKind): boolean {
    const fate = this.fate[file];
    return (
      this.files[file] !== null &&
      fate !== 'missing' &&
      (fate !== 'late' || this.isOld()) &&
      (this.isEnded || this.fate.earlyIds)
    );
  }

  toJson(): Record<string, unknown> {
    const { fate } = this;
    const named = (file: FileKind): Record<string, unknown> => {
      const name = file === 'output' ? 'output_file_id' : 'error_file_id';
      if (this.names(file)) return { [name]: this.files[file] };
      if (fate.absent === 'left_out') return {};
      return { [name]: fate.absent === 'empty' ? '' : null };
    };
    return {
      ...this.toSummary(),
      errors: this.errors.length === 0 ? null : { object: 'list', data: this.errors },
      completion_window: '24h',
      ...countsBy[fate.counts](this.lines.length, this.countDone(), this.isEnded ? this.ran.size : 0),
      ...named('output'),
      ...named('errors'),
    };
  }

  /** The batch as a list of summaries shows it. */
  toSummary(): Record<string, unknown> {
    const { statusForm } = this.fate;
    const isUnknown = statusForm === 'unknown' && !(this.isEnded && this.isOld());
    const usual = statusForm === 'capitals' ? this.status.toUpperCase() : this.status;
    return {
      id: this.id,
      object: 'batch',
      endpoint: this.about.endpoint,
      status: isUnknown ? unknownStatuses[this.status] : usual,
      input_file_id: this.about.fileId,
      created_at: this.createdAt,
      metadata: this.about.metadata,
    };
  }

  /** The batch as a stale list shows it: as it was when it was first listed. */
  toStale(): Record<string, unknown> {
    this.stale ??= this.toJson();
    return this.stale;
  }

  /** The content that a read of the file gets now, and whether it is the whole file. */
  contentOf(file: FileKind): { bytes: Buffer; isWhole: boolean } {
    if (!this.isEnded) return { bytes: Buffer.alloc(0), isWhole: false }; // files that are named early are still empty
    const rows = this.rows()
      .filter((row) => row.file === file)
      .map(({ bytes }) => bytes);
    rows.push(...rows.splice(0, Math.floor(rows.length / 2))); // not in the input's order
    const junk = this.junkOf(file);
    if (junk !== null && (junk.lasts === 'for ever' || !this.isOld()))
      return { bytes: junkBytes(junk, rows), isWhole: false };
    const { oddRows } = this.fate;
    if (oddRows.includes('repeats')) rows.push(...rows);
    if (oddRows.includes('strangers') && rows.length > 0) {
      const foreign = { response: { status_code: 200, body: { stranger: true } }, error: null };
      for (const custom_id of ['999999', 'not-ours', '0', null])
        rows.splice(1, 0, Buffer.from(JSON.stringify({ custom_id, ...foreign })));
    }
    if (oddRows.includes('broken_row') && rows.length > 0) rows.splice(1, 0, Buffer.from('{"response":{"st'));
    const bytes = Buffer.concat(rows.flatMap((row) => [row, Buffer.from('\n')]));
    return { bytes: oddRows.includes('no_last_newline') ? bytes.subarray(0, -1) : bytes, isWhole: true };
  }

  private isOld(): boolean {
    return Date.now() >= this.endedAt + LATE_MS;
  }

  private junkOf(file: FileKind): Junk | null {
    return file === 'output' ? this.fate.outputJunk : this.fate.errorsJunk;
  }

  private damageOf(line: number): RowDamage | null {
    const { damage, oddRows } = this.fate;
    return line % 2 === 0 && !oddRows.includes('body_as_text') ? damage : null;
  }

  private endBy(end: BatchEnd): void {
    const named = this.positionsOf('named');
    switch (end.kind) {
      case 'refused':
        this.fail([refusals[end.why]]);
        return;
      case 'lines_refused':
        named.push(
          ...this.lines.map((_, index) => index + 1).filter((position) => position % end.every === 0),
        );
        break;
      case 'completed':
      case 'stuck':
      case 'expired':
      case 'cancelled':
        break;
      default:
        end satisfies never;
    }
    if (named.length > 0) {
      const shown = [...new Set(named)].sort((a, b) => a - b).slice(0, this.about.limits.namedErrors);
      this.fail(
        shown.map((line) => ({ code: 'invalid_request', message: 'Bad line.', param: 'body', line })),
      );
    } else if (this.positionsOf('poison').length > 0) {
      this.fail([{ code: 'who_knows', message: 'Nobody.', param: null, line: null }]);
    } else if (end.kind === 'expired' || end.kind === 'cancelled') this.finish(end.kind, end.afterShare);
    else this.finish('completed', 1);
  }

  private positionsOf(flaw: LineFlaw): number[] {
    return this.lines.flatMap((line, index) => (this.about.flaws.get(line) === flaw ? [index + 1] : []));
  }

  private fail(errors: ApiBatch['errors']): void {
    this.errors = errors;
    this.status = 'failed';
    this.endedAt = Date.now();
    this.files.output = this.files.errors = null;
  }

  private finish(status: 'completed' | 'expired' | 'cancelled', share: number): void {
    this.status = status;
    this.endedAt = Date.now();
    // A batch that would fail validation never runs, also if it ends before.
    const isValid = this.positionsOf('named').length + this.positionsOf('poison').length === 0;
    const ran = isValid ? Math.ceil(this.lines.length * share) : 0;
    for (const line of this.lines.slice(0, ran)) this.ran.set(line, this.runLine(line));
    const rows = this.rows();
    const name = this.id.slice('batch_'.length);
    const emptyErrors = this.fate.oddRows.includes('empty_error_file');
    this.files.output = rows.some(({ file }) => file === 'output') ? `file-out-${name}` : null;
    this.files.errors = emptyErrors || rows.some(({ file }) => file === 'errors') ? `file-err-${name}` : null;
  }

  /** The API counts every row in the output file as completed, whatever its content. */
  private countDone(): number {
    const isDone = ({ run }: Execution): boolean =>
      run === 'answer' ||
      run === 'lost' ||
      (run in failures && failures[run as keyof typeof failures].file === 'output');
    return [...this.ran.values()].filter(isDone).length;
  }

  private rows(): Row[] {
    const rows: Row[] = [];
    const { fate } = this;
    const add = (line: number, file: FileKind, row: unknown): void =>
      void rows.push({ file, line, bytes: Buffer.from(JSON.stringify(row)) });
    // Only if the answer can be read: otherwise the contradicting row would be the only one.
    let contradict =
      fate.oddRows.includes('contradictions') &&
      fate.output === 'here' &&
      fate.outputJunk === null &&
      !this.isContentRefused;
    for (const line of this.lines) {
      const execution = this.ran.get(line);
      if (execution === undefined) {
        const code = this.status === 'expired' ? 'batch_expired' : 'batch_cancelled';
        if (fate.restRows) add(line, 'errors', neverRan(line, code));
        continue;
      }
      const { run, refusal } = execution;
      if (run === 'no_row' || run === 'lost') continue;
      if (run === 'answer') {
        const damage = this.damageOf(line);
        if (contradict && damage !== 'cut') {
          for (const file of ['output', 'errors'] as const)
            add(line, file, withStatus(line, 500, errorBody('server_error')));
          contradict = false;
        }
        const body = fate.oddRows.includes('body_as_text') ? JSON.stringify(execution.body) : execution.body;
        const bytes = damaged(JSON.stringify(withStatus(line, 200, body)), damage);
        rows.push({ file: 'output', line, bytes });
      } else if (run === 'timeout') {
        add(line, 'errors', neverRan(line, 'request_timeout'));
      } else if (run === 'account') {
        add(line, 'errors', withStatus(line, refusal!.status, errorBody(refusal!.code)));
      } else {
        const { file, status, code } = failures[run];
        add(line, file, withStatus(line, status, status === 0 ? null : errorBody(code!)));
      }
    }
    return rows;
  }
}

/** The correct and all wrong forms of `request_counts`. */
const countsBy: Readonly<
  Record<CountsForm, (total: number, completed: number, ended: number) => Record<string, unknown>>
> = {
  true: (total, completed, ended) => counts(total, completed, ended - completed),
  zeros: () => counts(0, 0, 0),
  too_many: (total) => counts(total * 2, total * 2, total),
  too_few: (total, completed) => counts(total, Math.max(0, completed - 1), 0),
  null: () => ({ request_counts: null }),
  missing: () => ({}),
};

function counts(total: number, completed: number, failed: number): Record<string, unknown> {
  return { request_counts: { total, completed, failed: Math.max(0, failed) } };
}

function junkBytes({ form }: Junk, rows: readonly Buffer[]): Buffer {
  switch (form) {
    case 'empty':
      return Buffer.alloc(0);
    case 'error_object':
      return Buffer.from('{"error":{"message":"Try again.","type":"server_error","code":null}}\n');
    case 'json_array':
      return Buffer.from(`[${rows.map((row) => row.toString('latin1')).join(',')}]\n`, 'latin1');
    default:
      return form satisfies never;
  }
}

function damaged(row: string, damage: RowDamage | null): Buffer {
  switch (damage) {
    case null:
      return Buffer.from(row);
    case 'not_a_number':
      return Buffer.from(row.replace('"body":{', '"body":{"score":NaN,'));
    case 'control_character':
      return Buffer.from(row.replace('"text":"', '"text":"\u0007\t'));
    case 'trailing_comma':
      return Buffer.from(row.replace(/\}\}\},"error":null\}$/, '},}},"error":null}'));
    case 'bad_utf8': {
      const at = row.indexOf('"text":"') + '"text":"'.length;
      return Buffer.concat([Buffer.from(row.slice(0, at)), Buffer.from([0x80]), Buffer.from(row.slice(at))]);
    }
    case 'cut':
      return Buffer.from(row.slice(0, row.indexOf('"text":"') + 12));
    default:
      return damage satisfies never;
  }
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

/** Outcomes with a row that has a status. */
export const failures: Record<
  Exclude<LineRun, 'answer' | 'no_row' | 'lost' | 'timeout'>,
  {
    readonly file: FileKind;
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
  model_403: { file: 'errors', status: 403, code: 'model_not_found', final: true },
  model_404: { file: 'errors', status: 404, code: 'model_not_found', final: true },
};

/** Rows of lines that are executed while the account is refused. */
export const accountRows: Partial<Record<Refusal['kind'], NonNullable<Execution['refusal']>>> = {
  rows_401: { status: 401, code: 'invalid_api_key' },
  rows_402: { status: 402, code: 'payment_required' },
  rows_insufficient_quota: { status: 429, code: 'insufficient_quota' },
  rows_billing_limit: { status: 400, code: 'billing_hard_limit_reached' },
};

function withStatus(line: number, status_code: number, body: unknown): unknown {
  return {
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: { status_code, request_id: 'req_1', body },
    error: null,
  };
}

function neverRan(line: number, code: string): unknown {
  return {
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: null,
    error: { code, message: 'This request could not be executed.' },
  };
}

function errorBody(code: string): Record<string, unknown> {
  return { error: { message: 'It did not work.', type: 'some_error', param: null, code } };
}

/** Executes a line for the n-th time, by its script. */
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
