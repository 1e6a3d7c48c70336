import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** One change of state: the whole object after the change, so that the last entry of an object is its state. */
export interface JournalEntry {
  kind: string;
  id: string;
  value: unknown;
}

/**
 * Keeps the emulator's state across a `kill -9`, in an append-only file of whole objects. Writes are not flushed to disk:
 * they survive a crash of the process, but not of the machine, and so cost almost nothing. Only objects are
 * journalled, never single request lines.
 */
export interface Journal {
  append(kind: string, id: string, value: unknown): void;
  /** Removes all entries. */
  clear(): void;
  close(): void;
}

/** Opens the journal, calls `restore` with each object's last state in order of first mention, and compacts the file. */
export function openJournal(path: string, restore: (entry: JournalEntry) => void): Journal {
  const latest = readLatest(path);
  for (const entry of latest.values()) restore(entry);
  writeFileSync(`${path}.next`, [...latest.values()].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  renameSync(`${path}.next`, path);

  const fd = openSync(path, 'a');
  let open = true;
  return {
    append(kind, id, value) {
      // The last transitions of a batch may arrive after close(); the next start repeats them.
      if (open) writeSync(fd, `${JSON.stringify({ kind, id, value })}\n`);
    },
    clear() {
      ftruncateSync(fd);
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** The values of one kind of object, in order of first mention, without those that were removed. */
export function valuesOf<T>(entries: readonly JournalEntry[], kind: string): T[] {
  return entries
    .filter((entry) => entry.kind === kind && entry.value !== null)
    .map((entry) => entry.value as T);
}

function readLatest(path: string): Map<string, JournalEntry> {
  const latest = new Map<string, JournalEntry>();
  if (!existsSync(path)) return latest;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const entry = parseEntry(line);
    if (entry) latest.set(`${entry.kind} ${entry.id}`, entry);
  }
  return latest;
}

/** A line that a kill cut short is ignored: no client got a response about its change. */
function parseEntry(line: string): JournalEntry | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return undefined;
  }
}
