import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder that is removed with everything in it at the end of the block. */
export class TempFolder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'durable-batch-'));

  /** The path of a file in the folder. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
