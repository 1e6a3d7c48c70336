import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

const FLUSH_CHARS = 256 * 1024;

/** A file that grows by whole rows, which are buffered so that not every row costs a system call. */
export class AppendFile {
  readonly #handle: FileHandle;
  #rows: (string | Buffer)[] = [];
  #chars = 0;
  #sizeBytes: number;

  private constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  /** Opens the file at a known length: bytes that a killed process wrote after it are cut off. */
  static async openAt(path: string, sizeBytes: number): Promise<AppendFile> {
    const handle = await open(path, 'a');
    await handle.truncate(sizeBytes);
    return new AppendFile(handle, sizeBytes);
  }

  /** Adds a row; bytes if it is not valid text. */
  add(row: string | Buffer): void {
    this.#rows.push(row);
    this.#chars += row.length;
  }

  get isEmpty(): boolean {
    return this.#sizeBytes === 0 && this.#rows.length === 0;
  }

  get isFull(): boolean {
    return this.#chars >= FLUSH_CHARS;
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    const bytes = this.#rows.every((row) => typeof row === 'string')
      ? Buffer.from(this.#rows.join(''))
      : Buffer.concat(this.#rows.map((row) => Buffer.from(row as string)));
    this.#rows = [];
    this.#chars = 0;
    await this.append(bytes);
  }

  async append(bytes: Buffer): Promise<void> {
    await this.#handle.appendFile(bytes);
    this.#sizeBytes += bytes.length;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
