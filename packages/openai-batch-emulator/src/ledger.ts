import { readFile } from 'node:fs/promises';
import { executionAt, unpackExecutions } from './execution-log.ts';
import { LedgerTable } from './ledger-table.ts';
import type { LineKey } from './line-key.ts';

/** Counts what was executed and charged for. It shows whether a client has paid for a line twice. */
export interface LedgerSummary {
  /** Distinct lines that were executed at least once. */
  lines: number;
  executed: number;
  /** Executions that produced an answer. */
  paid: number;
  lines_paid_once: number;
  lines_paid_twice_or_more: number;
  batches: number;
  /** Ended batches whose output file was never read to its end: answers that were paid for and not fetched. */
  batches_unread: number;
  input_tokens: number;
  output_tokens: number;
}

export interface LedgerLine {
  custom_id: string;
  key: string;
  executed: number;
  paid: number;
  batches: string[];
  /** Whether an output file with an answer to the line was read to its end. */
  downloaded: boolean;
}

/** What the ledger needs to know about batches. */
export interface LedgerBatches {
  count(): number;
  countUnread(): number;
  isRead(batchId: string): boolean;
  executionLogPath(batchId: string): string;
}

export class Ledger {
  readonly #batches: LedgerBatches;
  #table = new LedgerTable();
  #batchIds: string[] = [];
  #batchNumbers = new Map<string, number>();
  #executed = 0;
  #paid = 0;
  #paidOnce = 0;
  #paidMore = 0;
  #inputTokens = 0;
  #outputTokens = 0;

  constructor(batches: LedgerBatches) {
    this.#batches = batches;
  }

  executionsOf(key: LineKey): number {
    return this.#table.executedOf(key.hi, key.lo);
  }

  /** Counts one execution, which is at `offset` in the batch's execution log. */
  record(
    batchId: string,
    offset: number,
    key: { hi: number; lo: number },
    paid: boolean,
    inputTokens: number,
    outputTokens: number,
  ): void {
    const timesPaid = this.#table.record(key.hi, key.lo, this.#numberOf(batchId), offset, paid);
    this.#executed++;
    if (!paid) return;
    this.#paid++;
    this.#inputTokens += inputTokens;
    this.#outputTokens += outputTokens;
    if (timesPaid === 1) this.#paidOnce++;
    else if (timesPaid === 2) {
      this.#paidOnce--;
      this.#paidMore++;
    }
  }

  /** Counts the executions in a batch's log after a restart. */
  restore(batchId: string, log: Buffer): void {
    for (const { offset, execution } of unpackExecutions(log))
      this.record(batchId, offset, execution, execution.paid, execution.inputTokens, execution.outputTokens);
  }

  summary(): LedgerSummary {
    return {
      lines: this.#table.lines,
      executed: this.#executed,
      paid: this.#paid,
      lines_paid_once: this.#paidOnce,
      lines_paid_twice_or_more: this.#paidMore,
      batches: this.#batches.count(),
      batches_unread: this.#batches.countUnread(),
      input_tokens: this.#inputTokens,
      output_tokens: this.#outputTokens,
    };
  }

  /** The lines as JSONL in pieces: all lines, or those that were not executed and paid exactly once. */
  async *details(all: boolean): AsyncGenerator<string> {
    let piece = '';
    for (let line = 0; line < this.#table.lines; line++) {
      if (!all && this.#table.executed(line) === 1 && this.#table.paid(line) === 1) continue;
      piece += `${JSON.stringify(await this.#describe(line))}\n`;
      if (piece.length > 64 * 1024) {
        yield piece;
        piece = '';
      }
    }
    yield piece;
  }

  clear(): void {
    this.#table = new LedgerTable();
    this.#batchIds = [];
    this.#batchNumbers = new Map();
    this.#executed = 0;
    this.#paid = 0;
    this.#paidOnce = 0;
    this.#paidMore = 0;
    this.#inputTokens = 0;
    this.#outputTokens = 0;
    this.#openLog = undefined;
  }

  async #describe(line: number): Promise<LedgerLine> {
    const executions = [...this.#table.executionsOf(line)];
    const first = executions[0] as (typeof executions)[number];
    const batchId = (number: number): string => this.#batchIds[number] as string;
    const log = await this.#logOf(batchId(first.batch), first.offset);
    const execution = log === undefined ? undefined : executionAt(log, first.offset);
    return {
      custom_id: execution?.customId ?? '',
      key: execution === undefined ? '' : hex(execution.hi) + hex(execution.lo),
      executed: executions.length,
      paid: this.#table.paid(line),
      batches: executions.map(({ batch }) => batchId(batch)),
      downloaded: executions.some(({ batch, paid }) => paid && this.#batches.isRead(batchId(batch))),
    };
  }

  /** The log that was read last. Lines are in the order of their first execution, so one is enough. */
  #openLog: { batchId: string; log: Buffer } | undefined;

  /** Undefined for an execution of a running batch that is counted but not yet written. */
  async #logOf(batchId: string, offset: number): Promise<Buffer | undefined> {
    if (this.#openLog?.batchId !== batchId || offset >= this.#openLog.log.length) {
      const log = await readFile(this.#batches.executionLogPath(batchId)).catch(() => Buffer.alloc(0));
      this.#openLog = { batchId, log };
    }
    return offset < this.#openLog.log.length ? this.#openLog.log : undefined;
  }

  #numberOf(batchId: string): number {
    const known = this.#batchNumbers.get(batchId);
    if (known !== undefined) return known;
    const number = this.#batchIds.push(batchId) - 1;
    this.#batchNumbers.set(batchId, number);
    return number;
  }
}

function hex(uint32: number): string {
  return uint32.toString(16).padStart(8, '0');
}
