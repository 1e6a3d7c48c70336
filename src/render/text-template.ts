import { BatchError, ErrorCode } from '../core/errors.ts';
import type { LineFault } from '../core/request-line.ts';
import { LiquidError, type Liquid, type Template } from './liquid.ts';
import { createLiquidEngine } from './liquid-engine.ts';
import { toTextFunction } from './text-function.ts';

/** A part of a text: itself, or the column whose value stands there. */
export type TextPart = string | { readonly column: string };

let sharedEngine: Liquid | null = null;

/** A Liquid template of a prompt, parsed once. */
export class TextTemplate {
  /** The columns that it uses, which each row must have. */
  readonly columns: readonly string[];
  /** The parts of a template that only puts columns into a text; null if it needs Liquid. */
  readonly parts: readonly TextPart[] | null;
  private readonly engine: Liquid;
  private readonly templates: Template[];
  private readonly name: string;
  /** Null for a template that only liquidjs can render. */
  private readonly run: ReturnType<typeof toTextFunction>;

  /**
   * `name` is the file of the template, for messages.
   * @throws BatchError `bad_input` naming file, line and column
   */
  constructor(source: string, name: string) {
    this.name = name;
    this.engine = sharedEngine ??= createLiquidEngine();
    try {
      this.templates = this.engine.parse(source);
    } catch (error) {
      throw parseError(error, name);
    }
    this.columns = this.engine.globalVariablesSync(this.templates);
    this.parts = partsOf(source, this.columns);
    this.run = toTextFunction(this.templates, this.engine);
  }

  /** Where each of the columns is used first: file, line and column. */
  places(): ReadonlyMap<string, string> {
    const uses = Object.entries(this.engine.analyzeSync(this.templates).globals);
    return new Map(
      uses.map(([column, [first]]) => {
        const { row, col } = first!.location;
        return [column, `${this.name}:${row}:${col}`];
      }),
    );
  }

  /** The text for a row, or why there is none. The fault contains no text of the row. */
  render(columns: Readonly<Record<string, unknown>>): string | LineFault {
    try {
      if (this.run !== null) return this.run(columns);
    } catch {
      // Rendered again by liquidjs, which knows where an error is, and what has no value.
    }
    try {
      return this.engine.renderSync(this.templates, columns) as string;
    } catch (error) {
      const where = placeOf(error);
      const at = where === null ? this.name : `${this.name}:${where.line}:${where.column}`;
      if (error instanceof LiquidError && error.name === 'UndefinedVariableError') {
        const reason = `has no value for "${error.token.getText()}" (${at})`;
        return { reason, advice: 'correct the template, or put | default: "" behind the name' };
      }
      return {
        reason: `cannot be rendered (${at})`,
        advice: 'test the values of its columns in the template',
      };
    }
  }
}

function parseError(error: unknown, name: string): BatchError {
  if (!(error instanceof LiquidError)) throw error;
  const { line, column } = placeOf(error)!;
  const problem = error.message.replace(/(, file:.*)?, line:\d+, col:\d+$/s, '');
  const message = `${name}:${line}:${column}: ${problem}: correct the template.`;
  return new BatchError(ErrorCode.BadInput, message, { details: { file: name, line }, cause: error });
}

function placeOf(error: unknown): { line: number; column: number } | null {
  if (!(error instanceof LiquidError)) return null;
  const [line, column] = error.token.getPosition();
  return { line: line!, column: column! };
}

/** Names of Liquid that are no columns. */
const reservedNames = ['true', 'false', 'nil', 'null', 'empty', 'blank'];

/** `{{ column }}` or `{{ ["column"] }}`, without filters and without control of white space. */
const output = /\{\{\s*(?:([\p{L}_][\p{L}\p{N}_]*)|\[\s*"([^"\\{}]+)"\s*\])\s*\}\}/gu;

/** The parts of a template without tags and filters: to render those, the bytes of the columns are copied. */
function partsOf(source: string, columns: readonly string[]): TextPart[] | null {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of source.matchAll(output)) {
    const column = match[1] ?? match[2]!;
    // Only what Liquid reads as the same columns.
    if (reservedNames.includes(column) || !columns.includes(column)) return null;
    parts.push(source.slice(end, match.index), { column });
    end = match.index + match[0].length;
  }
  parts.push(source.slice(end));
  const texts = parts.filter((part) => typeof part === 'string');
  return texts.some((text) => /\{\{|\{%|\{$/.test(text)) ? null : parts.filter((part) => part !== '');
}
