import { badFlag } from '../../core/bad-option.ts';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import type { Column, StoredColumns } from '../../store/stored-columns.ts';
import { ownColumns, type AnswerColumns } from './answer-columns.ts';

/** The columns of a table of results, in order: some of the input, then those of the answers, then `ownColumns`. */
export interface TablePlan {
  /** True when the columns of the input are those of its rows in the store; otherwise there is only `custom_id`, of the results. */
  readonly joinsRows: boolean;
  readonly input: readonly Column[];
  readonly answer: AnswerColumns;
}

/** The only column of an input whose rows are not in the store. */
const customId: Column = { name: 'custom_id', type: 'VARCHAR' };

/**
 * Plans a table. `rows` are the columns of the input's rows, `keep` the names of those that the table gets (all without it).
 * @throws BatchError `bad_option` for a kept column that does not exist, and for one with the name of another column of the table
 */
export function planTable(
  rows: StoredColumns | null,
  answer: AnswerColumns,
  keep: readonly string[] | undefined,
): TablePlan {
  const columns = rows?.columns ?? [customId];
  const kept = keep === undefined ? columns : keep.map((name) => keptColumn(name, columns));
  const taken = new Set([...answer.columns.map(({ name }) => name), ...ownColumns].map(lowerCase));
  for (const { name } of kept) {
    const column = lowerCase(name);
    if (taken.has(column)) throw clash(name, rows, kept);
    taken.add(column);
  }
  return { joinsRows: rows !== null, input: kept, answer };
}

function keptColumn(name: string, columns: readonly Column[]): Column {
  const found = columns.find((column) => column.name === name);
  if (found !== undefined) return found;
  const known = columns
    .slice(0, COLUMNS_SHOWN)
    .map((column) => column.name)
    .join(', ');
  const more = columns.length > COLUMNS_SHOWN ? ', …' : '';
  throw badFlag('keep', `names the column ${name}, which the input does not have: it has ${known}${more}`);
}

/** A clash is refused and not resolved by a new name: a reader would take one column for the other. */
function clash(name: string, rows: StoredColumns | null, kept: readonly Column[]): BatchError {
  const others = kept.filter((column) => column.name !== name).map((column) => column.name);
  const shown = others.length > COLUMNS_SHOWN ? 'the other columns' : `--keep ${others.join(',') || "''"}`;
  return new BatchError(
    ErrorCode.BadOption,
    `${rows?.source ?? 'The input'}: column ${name} has the name of another column of the results: leave it out with ${shown}, or rename it.`,
    { details: { option: 'keep', column: name } },
  );
}

/** Maximum names in a message. */
const COLUMNS_SHOWN = 20;

function lowerCase(name: string): string {
  return name.toLowerCase();
}
