import { BatchError, ErrorCode } from '../../core/errors.ts';
import { nearest } from '../../core/known-options.ts';
import type { ZodType } from '../../render/zod.ts';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from './yaml.ts';

/**
 * Checks the text of a file in YAML or JSON.
 * @throws BatchError `bad_option` naming file, line and key, with the nearest key for an unknown one
 */
export function parseYaml<T>(text: string, path: string, schema: ZodType<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined)
    throw badFile(path, lines.linePos(error.pos[0]).line, `is not valid YAML (${error.code}): correct it.`);
  const value = valueOf(document, path, lines);
  const { data, error: wrong } = schema.safeParse(value);
  if (wrong === undefined) return data;
  // A misspelt key is named before the one that is missing instead.
  const issue = wrong.issues.find(({ code }) => code === 'unrecognized_keys') ?? wrong.issues[0]!;
  const keys = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const [name] = issue.keys;
    const line = lineOf(document, [...keys, name!], lines);
    const known = knownKeys(schema, keys);
    const near = nearest(name!, known);
    const advice = near === null ? `known are ${known.join(', ')}.` : `did you mean ${near}?`;
    throw badFile(path, line, `key ${[...keys, name!.slice(0, 40)].join('.')} does not exist: ${advice}`);
  }
  if (keys.length === 0) throw badFile(path, 1, `${issue.message}.`);
  throw badFile(path, lineOf(document, keys, lines), `key ${keys.join('.')} ${issue.message}.`);
}

/** @throws BatchError `bad_option` for an alias without its anchor, and for more aliases than a file needs */
function valueOf(document: Document, path: string, lines: LineCounter): unknown {
  try {
    return document.toJS();
  } catch {
    let offset = 0;
    visit(document, {
      Alias: (_, alias) => {
        if (alias.resolve(document) !== undefined) return undefined;
        offset = alias.range![0];
        return visit.BREAK;
      },
    });
    const { line } = lines.linePos(offset);
    throw badFile(path, line, 'has an alias that cannot be replaced by its value: write the value instead.');
  }
}

/** A schema as zod describes itself: of an optional value, an object, a record or a list. */
interface Described {
  readonly def: {
    readonly innerType?: Described;
    readonly shape?: Readonly<Record<string, Described>>;
    readonly valueType?: Described;
    readonly element?: Described;
  };
}

/** The keys of the object at a path. */
function knownKeys(schema: unknown, path: readonly string[]): string[] {
  let { def } = schema as Described;
  for (const name of path) {
    ({ def } = def.shape?.[name] ?? def.valueType ?? def.element!);
    while (def.innerType !== undefined) ({ def } = def.innerType);
  }
  return Object.keys(def.shape!);
}

/** The line of the deepest key of a path that is in the document. */
function lineOf(document: Document, keys: readonly string[], lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const name of keys) {
    if (isSeq(node)) {
      node = node.items[Number(name)];
      if (isMap(node)) offset = node.range?.[0] ?? offset;
      continue;
    }
    if (!isMap(node)) break;
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === name);
    if (pair === undefined) break;
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return lines.linePos(offset).line;
}

function badFile(file: string, line: number, problem: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `${file}:${line}: ${problem}`, { details: { file, line } });
}
