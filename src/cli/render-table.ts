import stringWidth from 'string-width';
import type { TablePreview } from '../output/preview-table.ts';
import { oneLine } from './progress-text.ts';

const GAP = '  ';

/** A column is not cut to fewer terminal columns than this, while a wider one can be. */
const MIN_WIDTH = 6;

/** Longer values are cut before they are measured. */
const MAX_CHARACTERS = 400;

/** Rows as a table that fits a terminal: the widest columns are cut. A column without values is left out. */
export function renderTable({ columns, rows }: TablePreview, width: number): string {
  const shown = columns.map((_, i) => i).filter((i) => rows.some((row) => row[i] != null));
  const table = [
    shown.map((i) => cellOf(columns[i])),
    ...rows.map((row) => shown.map((i) => cellOf(row[i]))),
  ];
  const widths = shown.map((_, i) => Math.max(...table.map((row) => stringWidth(row[i]!))));
  const room = width - GAP.length * (widths.length - 1);
  for (let all = sum(widths); all > room; all = sum(widths)) {
    const widest = Math.max(...widths);
    if (widest <= MIN_WIDTH) break;
    const second = Math.max(MIN_WIDTH, ...widths.filter((one) => one < widest));
    const same = widths.filter((one) => one === widest).length;
    const less = Math.max(second, widest - Math.ceil((all - room) / same));
    for (const [i, one] of widths.entries()) if (one === widest) widths[i] = less;
  }
  return table
    .map((row) =>
      row
        .map((cell, i) => fit(cell, widths[i]!))
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

function cellOf(value: unknown): string {
  if (value == null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return oneLine(text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);
}

/** The text in exactly this many terminal columns. */
function fit(text: string, width: number): string {
  const all = stringWidth(text);
  if (all <= width) return text + ' '.repeat(width - all);
  let kept = '';
  let used = 0;
  for (const character of text) {
    const wide = stringWidth(character);
    if (used + wide > width - 1) break;
    kept += character;
    used += wide;
  }
  return `${kept}…${' '.repeat(width - 1 - used)}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
