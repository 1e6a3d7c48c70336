import type { LineFault } from '../core/request-line.ts';
import type { LineBuffer } from './line-buffer.ts';
import type { RowColumns } from './row-columns.ts';
import { toExactJson, toLiquidValue } from './row-value.ts';
import type { TextTemplate } from './text-template.ts';

/** Writes a part of the line for the row that `columns` has read; returns why it cannot, or null. */
export type RowWriter = (columns: RowColumns, line: LineBuffer) => LineFault | null;

/** A part of a line: JSON that is the same for all rows, or a part that each row fills. */
export type LineStep = string | RowWriter;

/** The steps that write a text as a JSON string. With `mustHaveText`, a text of white space alone is a fault. */
export function textSteps(
  text: TextTemplate,
  columns: readonly string[],
  { mustHaveText = false }: { readonly mustHaveText?: boolean } = {},
): LineStep[] {
  const { parts } = text;
  if (parts === null) return [renderText(text, columns, mustHaveText)];
  const isNeverBlank = parts.some((part) => typeof part === 'string' && part.trim() !== '');
  const used = text.columns.map((name) => columns.indexOf(name));
  const steps = parts.map((part) =>
    typeof part === 'string' ? JSON.stringify(part).slice(1, -1) : copyInside(columns.indexOf(part.column)),
  );
  return [...(mustHaveText && !isNeverBlank ? [checkText(used)] : []), '"', ...steps, '"'];
}

/**
 * Copies the value of a column as a JSON string, as a name or an id. Null is written as such with `isOptional`; otherwise null and a text of white
 * space alone are faults.
 */
export function copyName(columns: readonly string[], name: string, isOptional: boolean): RowWriter {
  const column = columns.indexOf(name);
  return (row, line) => {
    const [start, end] = [row.starts[column]!, row.ends[column]!];
    switch (row.firstByte(column)) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        return {
          reason: `has no text in column ${quoted(name)}, but a list or an object`,
          advice: 'use another column',
        };
      case NULL:
        if (!isOptional) return emptyName(name);
        line.copy(row.block, start, end);
        return null;
      case QUOTE:
        if (!isOptional && !hasText(row, column)) return emptyName(name);
        line.copy(row.block, start, end);
        return null;
      default:
        line.write('"');
        line.copy(row.block, start, end);
        line.write('"');
        return null;
    }
  };
}

/** The name of a column in a message. */
export function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const BACKSLASH = 0x5c;
const NULL = 0x6e;

const blankPrompt: LineFault = {
  reason: 'has an empty prompt',
  advice: 'fill in the columns of the prompt, or leave the row out',
};

function emptyName(name: string): LineFault {
  return { reason: `has nothing in column ${quoted(name)}`, advice: 'fill it in, or leave the row out' };
}

/** Writes the value of a column inside a JSON string, as Liquid prints it. */
function copyInside(column: number): RowWriter {
  return (row, line) => {
    const [start, end] = [row.starts[column]!, row.ends[column]!];
    switch (row.firstByte(column)) {
      case QUOTE:
        line.copy(row.block, start + 1, end - 1);
        return null;
      case NULL:
        return null;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        line.write(JSON.stringify(toExactJson(toLiquidValue(row.json(column)))).slice(1, -1));
        return null;
      default: // a number, true or false
        line.copy(row.block, start, end);
        return null;
    }
  };
}

/** Refuses rows in which all columns of a text are empty. */
function checkText(columns: readonly number[]): RowWriter {
  return (row) => (columns.some((column) => hasText(row, column)) ? null : blankPrompt);
}

function hasText(row: RowColumns, column: number): boolean {
  const first = row.firstByte(column);
  if (first !== QUOTE) return first !== NULL;
  const next = row.block[row.starts[column]! + 1]!;
  if (next > 0x20 && next < 0x80 && next !== BACKSLASH && next !== QUOTE) return true;
  return (JSON.parse(row.json(column)) as string).trim() !== '';
}

/** Renders a text with Liquid. */
function renderText(text: TextTemplate, columns: readonly string[], mustHaveText: boolean): RowWriter {
  const used = text.columns.map((name) => [name, columns.indexOf(name)] as const);
  return (row, line) => {
    const values = Object.create(null) as Record<string, unknown>;
    for (const [name, column] of used) values[name] = toLiquidValue(row.json(column));
    const rendered = text.render(values);
    if (typeof rendered !== 'string') return rendered;
    if (mustHaveText && rendered.trim() === '') return blankPrompt;
    line.write(JSON.stringify(rendered));
    return null;
  };
}
