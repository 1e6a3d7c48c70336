import type { LineKey } from './line-key.ts';

/** One execution of one line. A batch's execution log keeps them, so that the ledger can be rebuilt. */
export interface Execution {
  hi: number;
  lo: number;
  paid: boolean;
  inputTokens: number;
  outputTokens: number;
  customId: string;
}

/** hi, lo, inputTokens, outputTokens and length of the custom_id as uint32, then one byte: 1 if paid, else 0. */
const HEAD_BYTES = 21;

/** Packs executions for appending: a million lines need about 40 MB on disk, and no JSON to read them. */
export class ExecutionPacker {
  #buffer: Buffer = Buffer.allocUnsafe(64 * 1024);
  #used = 0;

  add(key: LineKey, customId: string, paid: boolean, inputTokens: number, outputTokens: number): void {
    const idBytes = Buffer.byteLength(customId);
    this.#reserve(HEAD_BYTES + idBytes);
    let at = this.#used;
    at = this.#buffer.writeUInt32LE(key.hi, at);
    at = this.#buffer.writeUInt32LE(key.lo, at);
    at = this.#buffer.writeUInt32LE(inputTokens, at);
    at = this.#buffer.writeUInt32LE(outputTokens, at);
    at = this.#buffer.writeUInt32LE(idBytes, at);
    at = this.#buffer.writeUInt8(paid ? 1 : 0, at);
    this.#used = at + this.#buffer.write(customId, at);
  }

  /** Bytes that `take` would return. */
  get sizeBytes(): number {
    return this.#used;
  }

  /** Returns a copy of what was added since the last call. */
  take(): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
    return taken;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#used + bytes));
    this.#buffer.copy(grown, 0, 0, this.#used);
    this.#buffer = grown;
  }
}

/** All executions in a log, each with the offset of its first byte. */
export function* unpackExecutions(log: Buffer): Generator<{ offset: number; execution: Execution }> {
  let offset = 0;
  while (offset + HEAD_BYTES <= log.length) {
    const end = offset + HEAD_BYTES + log.readUInt32LE(offset + 16);
    if (end > log.length) return;
    yield { offset, execution: executionAt(log, offset) };
    offset = end;
  }
}

export function executionAt(log: Buffer, offset: number): Execution {
  const idStart = offset + HEAD_BYTES;
  return {
    hi: log.readUInt32LE(offset),
    lo: log.readUInt32LE(offset + 4),
    inputTokens: log.readUInt32LE(offset + 8),
    outputTokens: log.readUInt32LE(offset + 12),
    paid: log.readUInt8(offset + 20) === 1,
    customId: log.toString('utf8', idStart, idStart + log.readUInt32LE(offset + 16)),
  };
}
