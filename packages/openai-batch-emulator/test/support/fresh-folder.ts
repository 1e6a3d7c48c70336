import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** The path of a new folder, which is removed with everything in it at the end of the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'openai-batch-emulator-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
