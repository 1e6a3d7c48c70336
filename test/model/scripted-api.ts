import { setTimeout as sleep } from 'node:timers/promises';
import { accountRows, ApiBatch, execute, TEN_MINUTES_MS, type FileKind } from './api-batch.ts';
import type { Attempt } from './attempt.ts';
import { inputLine } from './input-lines.ts';
import type { CallFault, CallKind, LineFlaw, ListTrouble, Refusal, Schedule } from './schedule.ts';

/** The metadata key that names a batch's shard. */
const SHARD_KEY = 'durable_batch_shard';

/** An input that the API has refused permanently. */
export interface RefusedInput {
  readonly lines: readonly number[];
  /** True when only its size was refused. */
  readonly tooLarge: boolean;
}

/** A cancelled job must cancel a running batch within so many reads of it; one poll reads it up to 20 times. */
const MOST_READS_UNCANCELLED = 60;

/** A held step fails at least so often. */
const FEWEST_HELD = 3;

/** All other batches of a job end in seconds, and in a minute or two on a machine with a load of 20. */
const LONGEST_HELD_MS = 240_000;

/**
 * The Batch API of one schedule in memory: files, batches, and the money. It is called through the SDK, by the
 * `fetch` that it returns, and judges every batch when it is created: by what has really run and
 * been paid, never by what its replies claim.
 */
export class ScriptedApi {
  readonly batches: ApiBatch[] = [];
  /** Violations of the guarantees. */
  readonly violations: string[] = [];
  /** Called at every call, with the number of calls so far. */
  onCall: (calls: number) => void = () => undefined;
  /** Why the account is refused now; null if it is not. */
  refusing: Refusal['kind'] | null = null;
  /** True while the job is cancelled. */
  jobCancelled = false;
  /** True once a batch may exist whose create got no reply: from then on the list works and shows it. */
  listMustWork = false;
  /** True once a create with another project's key got no reply: its caller cannot know whether a batch exists. */
  hasUnsureCreate = false;
  readonly refusedInputs: RefusedInput[] = [];
  /** Remaining calls of the worker with another project's key. */
  private otherKeyCalls = 0;
  /** Whether an attempt runs in a worker with another project's key; an attempt has one key to its end. */
  private readonly otherKeyAttempts = new Map<Attempt, boolean>();
  private heldCalls = 0;
  private heldSince: number | null = null;
  private listCalls = 0;
  private readonly schedule: Schedule;
  private readonly strike: (what: string) => void;
  private readonly uploads = new Map<string, Buffer>();
  private readonly executions = new Map<number, number>();
  private readonly counts = new Map<CallKind, number>();
  private calls = 0;

  constructor(schedule: Schedule, strike: (what: string) => void) {
    this.schedule = schedule;
    this.strike = strike;
  }

  /** The `fetch` of an attempt's SDK client. */
  fetchFor(attempt: Attempt): typeof globalThis.fetch {
    const fetch = async (
      input: Parameters<typeof globalThis.fetch>[0],
      init?: RequestInit,
    ): Promise<Response> => {
      const url = new URL(input instanceof Request ? input.url : input);
      const method = init?.method?.toUpperCase() ?? 'GET';
      const path = url.pathname.slice('/v1'.length);
      return await this.respond(attempt, kindOf(method, path), path, url.searchParams, init?.body ?? null);
    };
    return Object.assign(fetch, { Response }); // the SDK checks there which forms it may send
  }

  private async respond(
    attempt: Attempt,
    kind: CallKind,
    path: string,
    query: URLSearchParams,
    body: RequestInit['body'] | null,
  ): Promise<Response> {
    this.calls += 1;
    this.onCall(this.calls);
    const { otherKey } = this.schedule;
    if (otherKey?.atCall === this.calls) this.otherKeyCalls = otherKey.calls;
    const nth = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, nth);
    const fault = this.schedule.calls.find((rule) => rule.call === kind && rule.nth === nth)?.fault ?? null;
    if (fault !== null && kind === 'batches.create') this.listMustWork = true;
    const early = this.before(kind, fault) ?? this.underOtherKey(attempt, kind, path);
    if (early !== null) return early;
    const response = await attempt.step(
      async () =>
        (await this.hold(kind, path, body)) ?? (await this.work(attempt, kind, path, query, body, fault)),
    );
    return await this.after(kind, fault, response);
  }

  /** Stops the worker with another project's key. */
  correctKey(): void {
    this.otherKeyCalls = 0;
    for (const [attempt, isOther] of this.otherKeyAttempts) if (isOther) attempt.kill();
  }

  /** The replies to a worker with another project's key, which has none of our objects. It creates nothing, so that nothing is lost there. */
  private underOtherKey(attempt: Attempt, kind: CallKind, path: string): Response | null {
    const isOther = this.otherKeyAttempts.get(attempt) ?? this.otherKeyCalls > 0;
    this.otherKeyAttempts.set(attempt, isOther);
    if (!isOther) return null;
    // A create that is not sent cannot reveal the wrong key, so another worker takes over the step soon.
    if (kind === 'files.create' || kind === 'batches.create')
      this.otherKeyCalls = Math.min(this.otherKeyCalls, RESETS_UNDER_OTHER_KEY);
    this.otherKeyCalls -= 1;
    this.strike('key: another project');
    switch (kind) {
      case 'files.create':
        throw connectionReset();
      case 'batches.create':
        this.noteUnsureCreate();
        throw connectionReset();
      case 'batches.list':
        return noneListed();
      case 'files.retrieve':
        return idIn(path) === '' ? noneListed() : notFound();
      case 'files.content':
      case 'batches.retrieve':
      case 'batches.cancel':
        return notFound();
      default:
        return kind satisfies never;
    }
  }

  /** Fails a step until the other batches are done: if it blocks them as well, the job never ends. */
  private async hold(
    kind: CallKind,
    path: string,
    body: RequestInit['body'] | null,
  ): Promise<Response | null> {
    const { held } = this.schedule;
    if (held?.call !== kind) return null;
    const lines = await this.linesOfCall(kind, path, body);
    if (!lines.includes(held.line)) return null;
    const others = this.batches.filter((batch) => !batch.lines.includes(held.line));
    const isDone = others.every(
      (batch) => batch.isEnded && (!batch.offers('output') || batch.readToEnd.has('output')),
    );
    if (this.heldSince === Number.NEGATIVE_INFINITY || (isDone && this.heldCalls >= FEWEST_HELD)) return null;
    this.heldCalls += 1;
    this.heldSince ??= Date.now();
    if (Date.now() - this.heldSince > LONGEST_HELD_MS) {
      this.violations.push(`${held.call} of line ${held.line} fails, and blocks the job's other batches`);
      this.heldSince = Number.NEGATIVE_INFINITY;
      return null;
    }
    this.strike(`held: ${kind}`);
    if (kind === 'batches.cancel') this.batchOf(path)!.cancelTried = true;
    if (kind === 'batches.create') this.noteUnsureCreate();
    return refusal(500, 'It does not work, and will not soon.', null);
  }

  /** The caller cannot know whether it has created a batch. It searches the list until the list works or is refused permanently. */
  private noteUnsureCreate(): void {
    this.hasUnsureCreate = true;
    if (!this.schedule.list.broken?.as.startsWith('status_4')) this.listMustWork = true;
  }

  private async linesOfCall(
    kind: CallKind,
    path: string,
    body: RequestInit['body'] | null,
  ): Promise<readonly number[]> {
    if (kind === 'files.create') return linesIn(await bytesOf(body as FormData));
    if (kind === 'batches.create') {
      const { input_file_id } = JSON.parse(body as string) as CreateBody;
      return linesIn(this.uploads.get(input_file_id) ?? Buffer.alloc(0));
    }
    if (kind === 'files.content') return this.fileOf(path)?.batch.lines ?? [];
    return this.batchOf(path)?.lines ?? [];
  }

  private before(kind: CallKind, fault: CallFault | null): Response | null {
    const refused = this.refusing === null ? undefined : accountRefusals[this.refusing];
    if (refused !== undefined) {
      this.strike(`account: ${this.refusing}`);
      return refused();
    }
    if (fault === 'reset_before') {
      this.strike(`call: ${fault}`);
      throw connectionReset();
    }
    if (fault === 'status_408' || fault === 'status_429' || fault === 'status_500') {
      this.strike(`call: ${fault}`);
      return refusal(Number(fault.slice(-3)), 'It did not work.', null, { 'retry-after-ms': '1' });
    }
    if (fault === 'html_502') {
      this.strike(`call: ${fault}`);
      return page(502);
    }
    if (fault === 'page_200') {
      this.strike(`call: ${fault}`);
      return page(200);
    }
    if (fault === 'enqueued_limit' && kind === 'batches.create') {
      this.strike(`call: ${fault}`);
      return refusal(429, 'Enqueued token limit reached for gpt-4o-mini.', 'token_limit_exceeded');
    }
    return null;
  }

  private async after(kind: CallKind, fault: CallFault | null, response: Response): Promise<Response> {
    if (fault === 'hold_then_reset' || fault === 'reset_after') {
      if (fault === 'hold_then_reset') await sleep(20);
      this.strike(`call: ${fault}`);
      throw connectionReset();
    }
    if (fault === 'status_408_after' || fault === 'status_500_after') {
      this.strike(`call: ${fault}`);
      return refusal(Number(/\d+/.exec(fault)![0]), 'It did not work, or so they say.', null);
    }
    if (fault === 'page_200_after') {
      this.strike(`call: ${fault}`);
      return page(200);
    }
    if (fault === 'broken_json_200_after' && kind !== 'files.content') {
      this.strike(`call: ${fault}`);
      return new Response('{"id":"batch_', { headers: { 'content-type': 'application/json' } });
    }
    if (fault?.startsWith('truncate') && kind === 'files.content' && response.ok)
      this.strike(`call: ${fault}`);
    return response;
  }

  private async work(
    attempt: Attempt,
    kind: CallKind,
    path: string,
    query: URLSearchParams,
    body: RequestInit['body'] | null,
    fault: CallFault | null,
  ): Promise<Response> {
    const id = idIn(path);
    switch (kind) {
      case 'files.create':
        return await this.createFile(body as FormData);
      case 'files.retrieve':
        return this.retrieveFile(id);
      case 'files.content':
        return this.download(id, fault);
      case 'batches.create':
        return this.createBatch(attempt, JSON.parse(body as string) as CreateBody);
      case 'batches.retrieve':
        return this.retrieveBatch(id);
      case 'batches.list':
        return this.listBatches(query);
      case 'batches.cancel':
        return this.cancelBatch(id);
      default:
        return kind satisfies never;
    }
  }

  private async createFile(form: FormData): Promise<Response> {
    const bytes = await bytesOf(form);
    const refused = this.refuseInput('files.create', bytes);
    if (refused !== null) return refused;
    const id = `file-in-${this.uploads.size + 1}`;
    this.uploads.set(id, bytes);
    return json({ id, object: 'file', ...this.bytesField(bytes), purpose: 'batch' });
  }

  /** The permanent refusal of an input for its lines or its size; null if it is accepted. */
  private refuseInput(call: 'files.create' | 'batches.create', bytes: Buffer): Response | null {
    const { limits } = this.schedule;
    const lines = linesIn(bytes);
    const tooLarge = limits.bytes !== null && limits.at === call && bytes.length > limits.bytes;
    const flaws = lines.map((line) => this.flawOf(line));
    const flaw = flaws.find((each) => each !== null && refusedAt[each] === call) ?? null;
    if (!tooLarge && flaw === null) return null;
    this.refusedInputs.push({ lines, tooLarge: flaw === null });
    if (flaw === null) {
      this.strike(`input: too large for ${call}`);
      return refusal(413, 'The request is too large.', null);
    }
    this.strike(`line: ${flaw}`);
    if (flaw === 'create_403_model')
      return refusal(403, 'Project `p` does not have access to model `m`.', 'model_not_found');
    return refusal(400, 'This input will not do.', 'bad_input_file');
  }

  private flawOf(line: number): LineFlaw | null {
    return this.schedule.lines[line - 1]?.flaw ?? null;
  }

  private bytesField({ length }: Buffer): Record<string, unknown> {
    const { bytes } = this.schedule;
    if (bytes !== 'true') this.strike(`file: bytes ${bytes}`);
    switch (bytes) {
      case 'true':
        return { bytes: length };
      case 'more':
        return { bytes: Math.ceil(length * 1.1) + 1 };
      case 'less':
        return { bytes: Math.floor(length * 0.9) };
      case 'missing':
        return {};
      default:
        return bytes satisfies never;
    }
  }

  private retrieveFile(id: string): Response {
    if (id === '')
      return json({ object: 'list', data: [...this.uploads.keys()].map((known) => ({ id: known })) });
    const upload = this.uploads.get(id);
    if (upload !== undefined) return json({ id, object: 'file', ...this.bytesField(upload) });
    const found = this.findFile(id);
    return found === null ? notFound() : json({ id, object: 'file', ...this.bytesField(found.bytes) });
  }

  private download(id: string, fault: CallFault | null): Response {
    const found = this.findFile(id);
    if (found === null) return notFound();
    const { bytes, isWhole, batch, which } = found;
    if (which === 'output' && batch.isContentRefused) {
      this.strike('line: content_400');
      return refusal(400, 'This file cannot be read.', 'bad_output_file');
    }
    batch.noteMiss();
    const cut = fault === 'truncate' || fault === 'truncate_clean';
    const sent = cut ? bytes.subarray(0, Math.floor(bytes.length / 2)) : bytes;
    const chunks = [sent.subarray(0, 40), sent.subarray(40)].filter(({ length }) => length > 0);
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          const chunk = chunks.shift();
          if (chunk !== undefined) {
            controller.enqueue(chunk);
            return;
          }
          if (sent.length === bytes.length && isWhole) batch.readToEnd.add(which);
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    // A clean cut is invisible: the body is chunked.
    const headers = fault === 'truncate_clean' ? {} : { 'content-length': String(bytes.length) };
    return new Response(stream, { headers });
  }

  private findFile(id: string): { bytes: Buffer; isWhole: boolean; batch: ApiBatch; which: FileKind } | null {
    const file = this.fileOf(`/files/${id}`);
    if (file === null) return null;
    const { batch, which } = file;
    if (batch.isEnded && batch.fate[which] === 'gone') {
      this.strike(`file: ${which} gone`);
      batch.noteMiss();
      return null;
    }
    return { ...batch.contentOf(which), batch, which };
  }

  private fileOf(path: string): { batch: ApiBatch; which: FileKind } | null {
    const id = idIn(path);
    for (const batch of this.batches) {
      for (const which of ['output', 'errors'] as const)
        if (batch.files[which] === id) return { batch, which };
    }
    return null;
  }

  private batchOf(path: string): ApiBatch | undefined {
    return this.batches.find(({ id }) => id === idIn(path));
  }

  private createBatch(attempt: Attempt, { input_file_id, endpoint, metadata }: CreateBody): Response {
    const upload = this.uploads.get(input_file_id) ?? Buffer.alloc(0);
    const refused = this.refuseInput('batches.create', upload);
    if (refused !== null) return refused;
    const key = metadata[SHARD_KEY] ?? '';
    const lines = requestsIn(upload).map((text) => this.judgeRequest(text, endpoint));
    const flaws = new Map<number, LineFlaw>();
    for (const line of lines) {
      const flaw = this.flawOf(line);
      if (flaw !== null) flaws.set(line, flaw);
    }
    const number = this.batches.length;
    const batch = new ApiBatch(
      {
        id: `batch_${number + 1}`,
        key,
        fileId: input_file_id,
        endpoint,
        metadata,
        lines,
        flaws,
        limits: this.schedule.limits,
        byZombie: attempt.isGivenUp,
      },
      this.schedule.fates[number],
      (line) => this.execute(line),
    );
    this.judgeCreation(batch);
    this.batches.push(batch);
    for (const what of strikesOf(batch)) this.strike(what);
    for (const flaw of flaws.values())
      if (flaw === 'named' || flaw === 'poison') this.strike(`line: ${flaw}`);
    return json(batch.toJson());
  }

  private execute(line: number): ReturnType<typeof execute> {
    const account = this.refusing === null ? undefined : accountRows[this.refusing];
    if (account !== undefined) {
      this.strike(`account: ${this.refusing}`);
      return { run: 'account', body: null, inputTokens: 0, outputTokens: 0, refusal: account };
    }
    const nth = (this.executions.get(line) ?? 0) + 1;
    this.executions.set(line, nth);
    const execution = execute(this.schedule, line, nth);
    if (execution.run !== 'answer') this.strike(`line: ${execution.run}`);
    return execution;
  }

  private retrieveBatch(id: string): Response {
    const batch = this.batches.find((known) => known.id === id);
    if (batch === undefined) return notFound();
    if (batch.unknownReadsLeft > 0) {
      batch.unknownReadsLeft -= 1;
      this.strike('batch: unknown to a read');
      return notFound();
    }
    this.advance(batch);
    batch.noteShown('alone');
    return json(batch.toJson());
  }

  private advance(batch: ApiBatch): void {
    batch.advance();
    if (!this.jobCancelled || batch.isEnded || batch.cancelAsked || batch.cancelTried) return;
    batch.readsUncancelled += 1;
    if (batch.readsUncancelled === MOST_READS_UNCANCELLED)
      this.violations.push(`${batch.id} still runs, as the cancelled job has not cancelled it`);
  }

  private listBatches(query: URLSearchParams): Response {
    const { pageLines, endless, form } = this.schedule.list;
    const broken = this.brokenList();
    if (broken !== null) return broken;
    const after = query.get('after');
    if (after === null) for (const batch of this.batches) batch.hiddenListsLeft -= 1;
    const shown = this.batches.filter(({ hiddenListsLeft }) => hiddenListsLeft < 0).toReversed();
    const start = after === null ? 0 : shown.findIndex(({ id }) => id === after) + 1;
    const limit = Math.min(pageLines, Number(query.get('limit') ?? 20));
    let page = shown.slice(start, start + limit);
    let more = start + limit < shown.length;
    if (endless && !more) {
      this.strike('list: endless paging');
      if (page.length === 0) page = shown.slice(0, limit);
      more = true;
    }
    if (shown.length > limit) this.strike('list: several pages');
    if (form !== 'whole' && page.length > 0) this.strike(`list: ${form}`);
    for (const batch of page) {
      if (form !== 'stale') this.advance(batch);
      if (form === 'whole') batch.noteShown('in the list');
    }
    const shows = {
      whole: (batch: ApiBatch) => batch.toJson(),
      stale: (batch: ApiBatch) => batch.toStale(),
      summaries: (batch: ApiBatch) => batch.toSummary(),
    };
    return json({ object: 'list', data: page.map(shows[form]), has_more: more });
  }

  private brokenList(): Response | null {
    const { broken } = this.schedule.list;
    this.listCalls += 1;
    if (broken === null || this.listMustWork || this.listCalls > broken.calls) return null;
    this.strike(`list: ${broken.as}`);
    return listTroubles[broken.as]();
  }

  private cancelBatch(id: string): Response {
    const batch = this.batches.find((known) => known.id === id);
    if (batch === undefined) return notFound();
    if (batch.isEnded && batch.status !== 'cancelled')
      return refusal(409, `Cannot cancel a batch with status '${batch.status}'.`, null);
    batch.cancelAsked = true;
    this.strike('batch: cancelled by us');
    return json(batch.toJson());
  }

  /** A request must be exactly that of its line. Returns the number of the line. */
  private judgeRequest(text: string, endpoint: string): number {
    const { custom_id, url, body } = JSON.parse(text) as { custom_id: string; url: string; body: unknown };
    const line = Number(custom_id);
    const script = this.schedule.lines[line - 1];
    const asked = script === undefined ? null : inputLine(script, line);
    const same =
      asked !== null &&
      JSON.stringify((JSON.parse(asked) as { body: unknown }).body) === JSON.stringify(body);
    if (!same || url !== endpoint)
      this.violations.push(`a batch holds a request that is not that of line ${line}`);
    return line;
  }

  /** Checks that nothing is bought twice, when a batch is created. */
  private judgeCreation(batch: ApiBatch): void {
    const { violations, schedule } = this;
    const { lines } = batch;
    if (lines.length === 0) violations.push(`${batch.id} was created from a file that does not exist`);
    if (lines.length > schedule.shardLines) violations.push(`${batch.id} holds ${lines.length} lines`);
    if (new Set(lines).size !== lines.length) violations.push(`${batch.id} holds a line twice`);
    if (new Set(lines.map((line) => schedule.lines[line - 1]!.kind)).size > 1)
      violations.push(`${batch.id} mixes models`);
    if (batch.key === '') violations.push(`${batch.id} carries no key`);
    for (const earlier of this.batches) {
      if (earlier.key === batch.key) {
        // The API has no idempotency key: the POST of an attempt that was given up may arrive after that of the next attempt.
        if (earlier.about.byZombie || batch.about.byZombie) {
          this.strike('batch: duplicate of an attempt that was given up');
          continue;
        }
        violations.push(`${batch.id} is a second batch of shard ${batch.key}, after ${earlier.id}`);
      }
      for (const line of lines) {
        if (!earlier.lines.includes(line)) continue;
        const why = this.whyNotAgain(earlier, line);
        if (why !== null) violations.push(`line ${line} is in ${batch.id} although ${earlier.id} ${why}`);
      }
    }
    for (const line of lines) {
      const charged = this.batches.filter((earlier) => isSurelyCharged(earlier, line)).length;
      if (charged >= schedule.attempts)
        violations.push(`line ${line} is in ${batch.id} after ${charged} of ${schedule.attempts} attempts`);
    }
  }

  /** The reason why a line that was in a batch must not be bought again; null if it may. */
  private whyNotAgain(earlier: ApiBatch, line: number): string | null {
    if (!earlier.isEnded) return `is still ${earlier.status}`;
    if (earlier.status === 'failed') return null;
    for (const which of ['output', 'errors'] as const) {
      if (earlier.reading(line, which) !== 'never' && !earlier.readToEnd.has(which))
        return `has an ${which} file with a row of it that was not read`;
    }
    const run = earlier.ran.get(line)?.run;
    const reading = earlier.readingOf(line);
    if (run === 'answer' && reading !== 'never') return `has answered it, in a row that is ${reading}`;
    if (reading !== 'never' || earlier.ran.size === 0) return null;
    // Rows in a JSON array may be read, too.
    if (run !== 'answer' && earlier.hasRowInArray(line)) return null;
    if (earlier.askedMs < TEN_MINUTES_MS / 2 && !earlier.isContentRefused)
      return `did not show it and was requested again for ${earlier.askedMs} ms only`;
    if (this.schedule.rebuy) return null;
    if (run === 'answer') return 'has answered it, in a file that it never showed';
    const hasAnswers = earlier.lines.some((each) => earlier.ran.get(each)?.run === 'answer');
    // Rows in a JSON array may be read, too.
    const isArray = earlier.fate.outputJunk?.form === 'json_array';
    if (hasAnswers && !isArray && !earlier.offers('output'))
      return 'has an output file that could not be read';
    return null; // the API has lost its row, or it never ran
  }
}

/** True when the line has used an attempt in the batch: it ran, and a row that was read has its error. */
function isSurelyCharged(batch: ApiBatch, line: number): boolean {
  const run = batch.ran.get(line)?.run ?? 'account';
  const isTry = run !== 'answer' && run !== 'account' && run !== 'no_row' && run !== 'lost';
  return isTry && batch.readingOf(line) === 'readable';
}

/** Consecutive uploads and creates that a worker with another project's key makes fail. */
const RESETS_UNDER_OTHER_KEY = 2;

const refusedAt: Readonly<Partial<Record<LineFlaw, CallKind>>> = {
  upload_400: 'files.create',
  create_400: 'batches.create',
  create_403_model: 'batches.create',
};

async function bytesOf(form: FormData): Promise<Buffer> {
  return Buffer.from(await (form.get('file') as File).arrayBuffer());
}

function requestsIn(bytes: Buffer): string[] {
  return bytes.toString('utf8').split('\n').slice(0, -1);
}

function linesIn(bytes: Buffer): number[] {
  return requestsIn(bytes).map((text) => Number((JSON.parse(text) as { custom_id: string }).custom_id));
}

function idIn(path: string): string {
  return path.split('/')[2] ?? '';
}

interface CreateBody {
  readonly input_file_id: string;
  readonly endpoint: string;
  readonly metadata: Record<string, string>;
}

function kindOf(method: string, path: string): CallKind {
  const [, collection, id, verb] = path.split('/');
  if (method === 'POST' && verb === 'cancel') return 'batches.cancel';
  if (method === 'POST') return collection === 'files' ? 'files.create' : 'batches.create';
  if (collection === 'files') return verb === 'content' ? 'files.content' : 'files.retrieve';
  return id === undefined ? 'batches.list' : 'batches.retrieve';
}

/** The names of the faults in a batch's fate. */
function strikesOf({ fate }: ApiBatch): string[] {
  const { end } = fate;
  return [
    ...(end.kind === 'completed' ? [] : [`batch: ${end.kind}${end.kind === 'refused' ? ` ${end.why}` : ''}`]),
    ...(fate.output === 'here' ? [] : [`file: output ${fate.output}`]),
    ...(fate.errors === 'here' ? [] : [`file: errors ${fate.errors}`]),
    ...(fate.absent === 'null' ? [] : [`file: absent is ${fate.absent}`]),
    ...(fate.restRows ? [] : ['rows: none for lines that never ran']),
    ...fate.oddRows.map((odd) => `rows: ${odd}`),
    ...(fate.hiddenLists > 0 ? ['list: lag'] : []),
    ...(fate.counts === 'true' ? [] : [`batch: counts ${fate.counts}`]),
    ...(fate.damage === null ? [] : [`rows: ${fate.damage}`]),
    ...(fate.outputJunk === null ? [] : [`file: output ${fate.outputJunk.form} ${fate.outputJunk.lasts}`]),
    ...(fate.errorsJunk === null ? [] : [`file: errors ${fate.errorsJunk.form} ${fate.errorsJunk.lasts}`]),
    ...(fate.statusForm === 'usual' ? [] : [`batch: status words ${fate.statusForm}`]),
    ...(fate.earlyIds ? ['batch: file ids early'] : []),
    ...(fate.readsToEnd === 0 ? ['batch: states skipped'] : []),
  ];
}

function json(value: unknown, status: number = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

function refusal(
  status: number,
  message: string,
  code: string | null,
  headers: Record<string, string> = {},
): Response {
  return json({ error: { message, type: 'some_error', param: null, code } }, status, headers);
}

/** The page of a proxy instead of the API's reply. */
function page(status: number): Response {
  return new Response('<html><h1>Please wait</h1></html>', {
    status,
    headers: { 'content-type': 'text/html' },
  });
}

const listTroubles: Record<ListTrouble, () => Response> = {
  status_500: () => refusal(500, 'The list does not work.', null),
  html_200: () => page(200),
  status_404: () => refusal(404, 'Not Found', null),
  status_405: () => refusal(405, 'Method Not Allowed', null),
};

const notFound = (): Response => refusal(404, 'No such object.', null);
const noneListed = (): Response => json({ object: 'list', data: [], has_more: false });

const accountRefusals: Partial<Record<Refusal['kind'], () => Response>> = {
  status_401: () => refusal(401, 'Incorrect API key provided.', 'invalid_api_key'),
  status_403: () => refusal(403, 'You may not.', null),
  insufficient_quota: () => refusal(429, 'You exceeded your current quota.', 'insufficient_quota'),
  billing_limit: () => refusal(400, 'Billing hard limit has been reached.', 'billing_hard_limit_reached'),
};

function connectionReset(): TypeError {
  return new TypeError('fetch failed', {
    cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
  });
}
