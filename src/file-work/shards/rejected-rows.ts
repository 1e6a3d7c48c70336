import { rmSync } from 'node:fs';
import type { LineFault } from '../../core/request-line.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';

/** Rows of refused lines of the input; the file exists only when there are any. */
export class RejectedRows {
  count = 0;
  private readonly path: string;
  private readonly noun: 'line' | 'row';
  private writer: AtomicFileWriter | null = null;

  /** `noun` is what the input consists of, for messages. */
  constructor(path: string, noun: 'line' | 'row') {
    this.path = path;
    this.noun = noun;
  }

  add(line: number, { reason, advice }: LineFault, id: string | null): void {
    this.count += 1;
    this.writer ??= new AtomicFileWriter(this.path);
    const error = JSON.stringify({ code: 'bad_line', message: `The ${this.noun} ${reason}: ${advice}.` });
    this.writer.writeText(
      `{"line":${line},"id":${JSON.stringify(id ?? String(line))},"status":"failed","attempts":0,"batch_id":null,"response":null,"error":${error},"usage":null}\n`,
    );
  }

  finish(): void {
    if (this.writer === null) rmSync(this.path, { force: true });
    else this.writer.finish();
  }

  abandon(): void {
    this.writer?.abandon();
  }
}
