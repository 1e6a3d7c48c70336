import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/** One change of state: the whole object as it now is, so that the last line about an object is the truth. */
export interface JournalEntry {
  kind: string;
  id: string;
  value: unknown;
}

/**
 * The emulator's memory across a kill -9: an append-only file of whole objects. Lines go straight to the kernel and
 * are not flushed to disk, which survives the death of the process, though not of the machine; that is the trade
 * that keeps it free. Only objects are journalled, never single request lines.
 */
export interface Journal {
  append(kind: string, id: string, value: unknown): void;
  /** Forgets everything. */
  clear(): void;
  close(): void;
}

/** Opens the journal, hands every object's last state to `restore` in order of first mention, and compacts the file. */
export function openJournal(path: string, restore: (entry: JournalEntry) => void): Journal {
  const latest = readLatest(path);
  for (const entry of latest.values()) restore(entry);
  writeFileSync(`${path}.next`, [...latest.values()].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  renameSync(`${path}.next`, path);

  const fd = openSync(path, 'a');
  let open = true;
  return {
    append(kind, id, value) {
      // After close() the last transitions of a batch may still arrive; what they say is redone on the next start.
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

/** The values of one kind of object, in order of first mention; those forgotten since are left out. */
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

/** A line cut short by the kill says nothing: its change was never answered for. */
function parseEntry(line: string): JournalEntry | undefined {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return undefined;
  }
}
