import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { BatchEndpoint } from './answers/batch-endpoint.ts';
import { hash32, seededOrder } from './answers/seeded-random.ts';
import { PromptCache } from './answers/prompt-cache.ts';
import type { ContextLimits } from './assert-request.ts';
import { AppendFile } from './append-file.ts';
import { batchFault } from './batch-record.ts';
import type { BatchRecord, ValidatedInput } from './batch-record.ts';
import type { Clock } from './clock.ts';
import { executeLine } from './execute-line.ts';
import type { LineContext } from './execute-line.ts';
import { ExecutionPacker } from './execution-log.ts';
import type { FaultRegistry } from './fault-registry.ts';
import type { Ledger } from './ledger.ts';
import { lineStarts, lineText, readBlock } from './line-blocks.ts';
import type { LineBlock } from './line-blocks.ts';
import { lineKey } from './line-key.ts';
import { ResultFileForm } from './faults/batch-fault.ts';
import { errorBody, responseRow, notExecutedRow } from './result-row.ts';
import type { RowIds, NotExecutedCode } from './result-row.ts';
import { createTimeSlice } from './time-slice.ts';

export interface BatchExecutorOptions {
  record: BatchRecord;
  input: ValidatedInput;
  blocks: LineBlock[];
  inputPath: string;
  outputPath: string;
  errorPath: string;
  logPath: string;
  seed: number;
  contextTokens: ContextLimits;
  clock: Clock;
  faults: FaultRegistry;
  ledger: Ledger;
  /** Called when `record.checkpoint` has changed. */
  onCheckpoint: () => void;
}

const CHECKPOINT_MS = 500;

interface InputRequest {
  custom_id: string;
  body: Record<string, unknown>;
}

/**
 * Executes the lines of one batch and writes their rows. Results must be out of order, but the file must be neither held
 * in memory nor read line by line: blocks of lines are read in random order, and the lines of each are shuffled. The order
 * depends only on the seed and the batch, so that a restart needs only a position in it.
 */
export class BatchExecutor {
  readonly #options: BatchExecutorOptions;
  readonly #input: FileHandle;
  readonly #output: AppendFile;
  readonly #errors: AppendFile;
  readonly #log: AppendFile;
  readonly #packer = new ExecutionPacker();
  readonly #cache = new PromptCache();
  readonly #blockOrder: Uint32Array;
  readonly #idPrefix: string;
  #checkpointAt = 0;
  /** True once all further rows are ones that a restart would write again: the checkpoint stays before them. */
  #checkpointIsFinal = false;

  private constructor(
    options: BatchExecutorOptions,
    input: FileHandle,
    output: AppendFile,
    errors: AppendFile,
    log: AppendFile,
  ) {
    this.#options = options;
    this.#input = input;
    this.#output = output;
    this.#errors = errors;
    this.#log = log;
    this.#blockOrder = seededOrder(options.blocks.length, this.#seedOf('blocks'));
    this.#idPrefix = options.record.id.slice('batch_'.length, 'batch_'.length + 16);
  }

  static async open(options: BatchExecutorOptions): Promise<BatchExecutor> {
    const { checkpoint } = options.record;
    return new BatchExecutor(
      options,
      await open(options.inputPath),
      await AppendFile.openAt(options.outputPath, checkpoint.outputBytes),
      await AppendFile.openAt(options.errorPath, checkpoint.errorBytes),
      await AppendFile.openAt(options.logPath, checkpoint.logBytes),
    );
  }

  get outputBytes(): number {
    return this.#output.sizeBytes;
  }

  get errorBytes(): number {
    return this.#errors.sizeBytes;
  }

  /** Executes lines until `target` of them are done or `stop` returns true. */
  async advanceTo(target: number, stop: () => boolean): Promise<void> {
    const { record } = this.#options;
    const slice = createTimeSlice();
    for await (const { text, number } of this.#linesFrom(record.progress.position)) {
      if (record.progress.position >= target) break;
      this.#execute(text, number);
      if (this.#isFull()) await this.#flush();
      if (slice.isOver()) {
        await slice.yieldToOthers();
        if (stop()) break;
      }
    }
    await this.#checkpoint();
  }

  /** Writes a row for each line that was not executed. These rows are after the checkpoint: a restart writes them again. */
  async writeNotExecuted(code: NotExecutedCode, stop: () => boolean): Promise<void> {
    this.#checkpointIsFinal = true;
    const slice = createTimeSlice();
    for await (const { text, number } of this.#linesFrom(this.#options.record.progress.position)) {
      const { custom_id: customId } = JSON.parse(text) as InputRequest;
      this.#add(this.#errors, notExecutedRow(this.#idsOf(number, customId), code));
      if (this.#isFull()) await this.#flush();
      if (slice.isOver()) {
        await slice.yieldToOthers();
        if (stop()) break;
      }
    }
    await this.#flush();
  }

  /** Adds the rows of the faults `stranger_rows` and `file_form`. */
  async writeFaultRows(): Promise<void> {
    this.#checkpointIsFinal = true;
    this.#addUnknownRows(batchFault(this.#options.record, 'stranger_rows')?.rows ?? 0);
    if (this.#form === ResultFileForm.garbageRow) this.#output.add('{"custom_id":"1","response":{"stat\n');
    await this.#flush();
  }

  async close(): Promise<void> {
    await Promise.all([this.#input.close(), this.#output.close(), this.#errors.close(), this.#log.close()]);
  }

  #execute(text: string, number: number): void {
    const { record, faults, ledger } = this.#options;
    const { custom_id: customId, body } = JSON.parse(text) as InputRequest;
    const key = lineKey(customId, body);
    const fault = faults.hasLineRules()
      ? faults.forLine({ customId, key: key.text, executions: ledger.executionsOf(key) })
      : undefined;
    const context = this.#contextOf(this.#idsOf(number, customId));
    const outcome = executeLine(body, context, fault);

    const logOffset = this.#log.sizeBytes + this.#packer.sizeBytes;
    this.#packer.add(key, customId, outcome.paid, outcome.inputTokens, outcome.outputTokens);
    ledger.record(record.id, logOffset, key, outcome.paid, outcome.inputTokens, outcome.outputTokens);

    const { progress } = record;
    progress.position++;
    progress[outcome.counted]++;
    progress.inputTokens += outcome.inputTokens;
    progress.outputTokens += outcome.outputTokens;
    progress.cachedTokens = (progress.cachedTokens ?? 0) + outcome.cachedTokens;
    progress.cacheWriteTokens = (progress.cacheWriteTokens ?? 0) + outcome.cacheWriteTokens;
    if (!outcome.row) return;
    const file = outcome.row.file === 'output' ? this.#output : this.#errors;
    const repeat = batchFault(record, 'repeated_rows');
    if (outcome.row.file === 'error' || repeat === undefined || progress.completed > repeat.rows)
      return this.#add(file, outcome.row.text);
    const secondRow =
      repeat.as === undefined || repeat.as === 'same'
        ? outcome.row.text
        : responseRow(context.ids, 500, errorBody(500, undefined, undefined));
    if (repeat.as === 'error_before') this.#add(file, secondRow);
    this.#add(file, outcome.row.text);
    if (repeat.as !== 'error_before') this.#add(file, secondRow);
  }

  get #form(): ResultFileForm | undefined {
    return batchFault(this.#options.record, 'file_form')?.form;
  }

  /** Adds a row in the form of the batch's files. */
  #add(file: AppendFile, row: string | Buffer): void {
    if (typeof row !== 'string') return file.add(row);
    const form = this.#form;
    switch (form) {
      case undefined:
      case ResultFileForm.garbageRow:
        return file.add(row);
      case ResultFileForm.crlf:
        return file.add(`${row.slice(0, -1)}\r\n`);
      case ResultFileForm.blankLines:
        return file.add(`\n${row}  \n`);
      case ResultFileForm.byteOrderMark:
        return file.add(file.isEmpty ? `\uFEFF${row}` : row);
      default:
        return form satisfies never;
    }
  }

  /** The lines from a position of the execution order on. */
  async *#linesFrom(position: number): AsyncGenerator<{ text: string; number: number }> {
    let skipped = 0;
    for (const at of this.#blockOrder) {
      const block = this.#options.blocks[at] as LineBlock;
      if (skipped + block.lines <= position) {
        skipped += block.lines;
        continue;
      }
      const bytes = await readBlock(this.#input, block);
      const starts = lineStarts(bytes, block.lines);
      const order = seededOrder(block.lines, this.#seedOf(`block ${at}`));
      for (const line of order) {
        if (skipped++ < position) continue;
        yield { text: lineText(bytes, starts, line), number: block.firstLine + line };
      }
    }
  }

  #isFull(): boolean {
    return this.#output.isFull || this.#errors.isFull;
  }

  async #flush(): Promise<void> {
    await this.#output.flush();
    await this.#errors.flush();
    if (this.#packer.sizeBytes > 0) await this.#log.append(this.#packer.take());
    if (!this.#checkpointIsFinal && performance.now() - this.#checkpointAt > CHECKPOINT_MS)
      this.#moveCheckpoint();
  }

  async #checkpoint(): Promise<void> {
    this.#checkpointAt = Number.NEGATIVE_INFINITY;
    await this.#flush();
  }

  #moveCheckpoint(): void {
    const { record, onCheckpoint } = this.#options;
    record.checkpoint = {
      ...record.progress,
      outputBytes: this.#output.sizeBytes,
      errorBytes: this.#errors.sizeBytes,
      logBytes: this.#log.sizeBytes,
    };
    this.#checkpointAt = performance.now();
    onCheckpoint();
  }

  #addUnknownRows(rows: number): void {
    const { record, input } = this.#options;
    const prompt = 'a row that was not requested';
    const content =
      record.endpoint === BatchEndpoint.chatCompletions
        ? { messages: [{ role: 'user', content: prompt }] }
        : { input: prompt, prompt };
    for (let i = 1; i <= rows; i++) {
      const context = this.#contextOf(this.#idsOf(input.lines + i, `stranger-${i}`));
      const { row } = executeLine({ model: input.model, ...content }, context, undefined);
      this.#add(this.#output, row?.text ?? '');
    }
  }

  #contextOf(ids: RowIds): LineContext {
    const { record, clock, contextTokens } = this.#options;
    return {
      endpoint: record.endpoint,
      ids,
      createdAt: clock.nowSeconds(),
      contextTokens,
      cache: this.#cache,
    };
  }

  #idsOf(number: number, customId: string): RowIds {
    const suffix = number.toString(16).padStart(8, '0');
    return {
      rowId: `batch_req_${this.#idPrefix}${suffix}`,
      requestId: `${this.#idPrefix}${suffix}`,
      customId,
    };
  }

  #seedOf(purpose: string): number {
    return hash32(`${this.#options.record.sequence} ${purpose}`, this.#options.seed);
  }
}
