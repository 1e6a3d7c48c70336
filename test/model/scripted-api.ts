import { setTimeout as sleep } from 'node:timers/promises';
import { ApiBatch, execute } from './api-batch.ts';
import type { Attempt } from './attempt.ts';
import { inputLine } from './input-lines.ts';
import type { CallFault, CallKind, Refusal, Schedule } from './schedule.ts';

/** The metadata key that names a batch's shard. */
const SHARD_KEY = 'durable_batch_shard';

/**
 * The Batch API in memory, as one schedule has it: files, batches, and the money. It is called through the SDK, by the
 * `fetch` that it hands out, and judges every batch at the moment at which it is created.
 */
export class ScriptedApi {
  readonly batches: ApiBatch[] = [];
  /** What may not happen and did. */
  readonly violations: string[] = [];
  /** Called at every call, with their number. */
  onCall: (calls: number) => void = () => undefined;
  /** Why every call is refused now; null when none is. */
  refusing: Refusal['kind'] | null = null;
  /** True from the first refusal that somebody was told of. */
  refused = false;
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
      return await this.answer(attempt, kindOf(method, path), path, url.searchParams, init?.body ?? null);
    };
    return Object.assign(fetch, { Response }); // the SDK looks there to learn what forms it may send
  }

  private async answer(
    attempt: Attempt,
    kind: CallKind,
    path: string,
    query: URLSearchParams,
    body: RequestInit['body'] | null,
  ): Promise<Response> {
    this.calls += 1;
    this.onCall(this.calls);
    const nth = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, nth);
    const fault = this.schedule.calls.find((rule) => rule.call === kind && rule.nth === nth)?.fault ?? null;
    const early = this.before(kind, fault);
    if (early !== null) return early;
    const response = await attempt.step(async () => await this.work(kind, path, query, body, fault));
    return await this.after(kind, fault, response);
  }

  private before(kind: CallKind, fault: CallFault | null): Response | null {
    if (this.refusing !== null) {
      this.refused = true;
      this.strike(`account: ${this.refusing}`);
      return accountRefusals[this.refusing]();
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
    kind: CallKind,
    path: string,
    query: URLSearchParams,
    body: RequestInit['body'] | null,
    fault: CallFault | null,
  ): Promise<Response> {
    const id = path.split('/')[2] ?? '';
    switch (kind) {
      case 'files.create':
        return await this.createFile(body as FormData);
      case 'files.retrieve':
        return this.retrieveFile(id);
      case 'files.content':
        return this.download(id, fault);
      case 'batches.create':
        return this.createBatch(JSON.parse(body as string) as CreateBody);
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
    const bytes = Buffer.from(await (form.get('file') as File).arrayBuffer());
    const id = `file-in-${this.uploads.size + 1}`;
    this.uploads.set(id, bytes);
    return json({ id, object: 'file', bytes: bytes.length, purpose: 'batch' });
  }

  private retrieveFile(id: string): Response {
    const found = this.findFile(id);
    return found === null ? notFound() : json({ id, object: 'file', bytes: found.bytes.length });
  }

  private download(id: string, fault: CallFault | null): Response {
    const found = this.findFile(id);
    if (found === null) return notFound();
    const { bytes, batch, which } = found;
    const cut = fault === 'truncate' || fault === 'truncate_clean';
    const sent = cut ? bytes.subarray(0, Math.floor(bytes.length / 2)) : bytes;
    const promised = fault === 'truncate_clean' ? sent.length : bytes.length;
    const chunks = [sent.subarray(0, 40), sent.subarray(40)].filter(({ length }) => length > 0);
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          const chunk = chunks.shift();
          if (chunk !== undefined) {
            controller.enqueue(chunk);
            return;
          }
          if (sent.length === bytes.length && batch.isEnded) batch.readToEnd.add(which);
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(stream, { headers: { 'content-length': String(promised) } });
  }

  private findFile(id: string): { bytes: Buffer; batch: ApiBatch; which: 'output' | 'errors' } | null {
    for (const batch of this.batches) {
      for (const which of ['output', 'errors'] as const) {
        if (batch.files[which] !== id) continue;
        if (batch.fate[which] === 'gone') {
          this.strike(`file: ${which} gone`);
          return null;
        }
        return { bytes: batch.contentOf(which), batch, which };
      }
    }
    return null;
  }

  private createBatch({ input_file_id, endpoint, metadata }: CreateBody): Response {
    const upload = this.uploads.get(input_file_id);
    const key = metadata[SHARD_KEY] ?? '';
    const requests = (upload ?? Buffer.alloc(0)).toString('utf8').split('\n').slice(0, -1);
    const lines = requests.map((text) => this.judgeRequest(text, endpoint));
    const number = this.batches.length;
    const batch = new ApiBatch(
      { id: `batch_${number + 1}`, key, fileId: input_file_id, endpoint, metadata, lines },
      this.schedule.fates[number],
      (line) => this.execute(line),
    );
    this.judgeCreation(batch);
    this.batches.push(batch);
    for (const what of strikesOf(batch)) this.strike(what);
    return json(batch.toJson());
  }

  private execute(line: number): ReturnType<typeof execute> {
    const nth = (this.executions.get(line) ?? 0) + 1;
    this.executions.set(line, nth);
    const execution = execute(this.schedule, line, nth);
    if (execution.run !== 'answer') this.strike(`line: ${execution.run}`);
    return execution;
  }

  private retrieveBatch(id: string): Response {
    const batch = this.batches.find((known) => known.id === id);
    if (batch === undefined) return notFound();
    if (batch.readsLeft > 0) {
      batch.readsLeft -= 1;
      this.strike('batch: unknown to a read');
      return notFound();
    }
    batch.look();
    return json(batch.toJson());
  }

  private listBatches(query: URLSearchParams): Response {
    const after = query.get('after');
    if (after === null) for (const batch of this.batches) batch.sweepsLeft -= 1;
    const { pageLines, endless } = this.schedule.list;
    const shown = this.batches.filter(({ sweepsLeft }) => sweepsLeft < 0).toReversed();
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
    for (const batch of page) batch.look();
    return json({
      object: 'list',
      data: page.map((batch) => batch.toJson()),
      has_more: more,
    });
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

  /** A request must be that of its line, to the letter. Answers the line's number. */
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

  /** Promise 2, judged when it counts. */
  private judgeCreation(batch: ApiBatch): void {
    const { violations, schedule } = this;
    const { lines } = batch;
    if (lines.length === 0) violations.push(`${batch.id} was created on a file that is not there`);
    if (lines.length > schedule.shardLines) violations.push(`${batch.id} holds ${lines.length} lines`);
    if (new Set(lines).size !== lines.length) violations.push(`${batch.id} holds a line twice`);
    if (new Set(lines.map((line) => schedule.lines[line - 1]!.kind)).size > 1)
      violations.push(`${batch.id} mixes models`);
    if (batch.key === '') violations.push(`${batch.id} carries no key`);
    for (const earlier of this.batches) {
      if (earlier.key === batch.key)
        violations.push(`${batch.id} is a second batch of shard ${batch.key}, after ${earlier.id}`);
      for (const line of lines) {
        const why = earlier.lines.includes(line) ? this.mayStillAnswer(earlier, line) : null;
        if (why !== null) violations.push(`line ${line} is in ${batch.id} although ${earlier.id} ${why}`);
      }
    }
  }

  private mayStillAnswer(earlier: ApiBatch, line: number): string | null {
    if (!earlier.isEnded) return `is still ${earlier.status}`;
    for (const which of ['output', 'errors'] as const) {
      if (earlier.offers(which) && !earlier.readToEnd.has(which))
        return `has an ${which} file that nobody has read`;
    }
    if (earlier.ran.get(line)?.run !== 'answer') return null; // the API lost it, or there is none
    if (earlier.offers('output')) return 'has answered it';
    return this.schedule.rebuy ? null : 'has answered it, in a file that the API lost';
  }
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

/** What of a batch's fate is trouble. */
function strikesOf({ fate }: ApiBatch): string[] {
  const { end } = fate;
  return [
    ...(end.kind === 'completed' ? [] : [`batch: ${end.kind}${end.kind === 'refused' ? ` ${end.why}` : ''}`]),
    ...(fate.output === 'here' ? [] : [`file: output ${fate.output}`]),
    ...(fate.errors === 'here' ? [] : [`file: errors ${fate.errors}`]),
    ...(fate.absent === 'null' ? [] : [`file: absent is ${fate.absent}`]),
    ...(fate.restRows ? [] : ['rows: none for lines that never ran']),
    ...fate.oddRows.map((odd) => `rows: ${odd}`),
    ...(fate.hiddenSweeps > 0 ? ['list: lag'] : []),
    ...(fate.countsLie ? ['batch: counts lie'] : []),
    ...(fate.earlyIds ? ['batch: file ids early'] : []),
    ...(fate.capitals ? ['batch: status in capitals'] : []),
    ...(fate.looks === 0 ? ['batch: states skipped'] : []),
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

/** What a proxy shows instead of the API's answer. */
function page(status: number): Response {
  return new Response('<html><h1>Please wait</h1></html>', {
    status,
    headers: { 'content-type': 'text/html' },
  });
}

const notFound = (): Response => refusal(404, 'No such object.', null);

const accountRefusals: Record<Refusal['kind'], () => Response> = {
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
