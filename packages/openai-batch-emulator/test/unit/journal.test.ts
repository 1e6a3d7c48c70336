import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openJournal } from '../../src/journal.ts';
import type { JournalEntry } from '../../src/journal.ts';

it('restores the last state of every object in order of first mention, and drops a truncated last line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'journal.jsonl');
  const first = openJournal(path, () => undefined);
  first.append('batch', 'a', 1);
  first.append('batch', 'b', 1);
  first.append('batch', 'a', 2);
  first.close();
  first.append('batch', 'a', 'after closing');
  appendFileSync(path, '{"kind":"batch","id":"b","val');

  const entries: JournalEntry[] = [];
  openJournal(path, (entry) => entries.push(entry)).close();
  expect(entries).toEqual([
    { kind: 'batch', id: 'a', value: 2 },
    { kind: 'batch', id: 'b', value: 1 },
  ]);
  expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
});
