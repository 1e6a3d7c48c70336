import { materializeRows, type MaterializedRows } from '../../src/input/table/materialize-rows.ts';
import type { RowSource } from '../../src/input/table/row-source.ts';
import { inputFiles } from '../../src/store/job-files.ts';
import { MemoryStore } from './memory-store.ts';

/** What is stored of a source, with its lines. */
export async function storedRows(
  source: RowSource,
): Promise<MaterializedRows & { readonly lines: string[] }> {
  const store = new MemoryStore();
  const stored = await materializeRows(source, store);
  const text = (await store.read(inputFiles.rows(stored.sha256)))!;
  return { ...stored, lines: text.slice(0, -1).split('\n') };
}

/** The rows of a source, as objects. */
export async function rowsOf(source: RowSource): Promise<Record<string, unknown>[]> {
  const { lines } = await storedRows(source);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
