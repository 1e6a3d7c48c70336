import { dirname, isAbsolute, join } from 'node:path';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { nearest } from '../../core/known-options.ts';
import { STDIN } from '../../job/row-source-options.ts';
import type { StartOptions } from '../../job/start-options.ts';
import type { TemplateFiles } from '../../job/template-options.ts';
import type { OutputFlags } from '../job-options.ts';
import { readJsonObject, readText } from '../read-texts.ts';
import { jobFileKeys, jobFileSchema, type JobFile, type TextOrFile } from './schema.ts';
import { isMap, isScalar, LineCounter, parseDocument, visit, type Document } from './yaml.ts';

/** A job file, with the files that it names. */
export interface ReadJobFile {
  readonly options: Partial<StartOptions>;
  readonly names: TemplateFiles;
  /** Where the results are written. */
  readonly outputs: OutputFlags;
  /** The folder of its relative paths. */
  readonly folder: string;
}

/**
 * Reads a job file in YAML or JSON. Its relative paths are relative to its folder.
 * @throws BatchError `bad_option` naming file, line and key, with the nearest key for an unknown one; `bad_input` for a file that
 * cannot be read
 */
export async function readJobFile(path: string): Promise<ReadJobFile> {
  const {
    $schema: _,
    out,
    npy,
    keep,
    prompt,
    system,
    answer,
    input,
    ...options
  } = parseJobFile(await readText(path), path);
  const folder = dirname(path);
  const at = (file: string): string => (isAbsolute(file) || file === STDIN ? file : join(folder, file));
  const texts = { prompt: await textOf(prompt, at), system: await textOf(system, at) };
  const given = {
    ...options,
    prompt: texts.prompt?.text,
    system: texts.system?.text,
    input: typeof input === 'string' ? at(input) : input?.map(at),
    answer: isFile(answer) ? await readJsonObject('answer', at(answer.file)) : answer,
  };
  const defined = Object.entries(given).filter(([, value]) => value !== undefined);
  return {
    options: Object.fromEntries(defined) as Partial<StartOptions>,
    names: {
      prompt: texts.prompt?.name ?? `${path}, prompt`,
      system: texts.system?.name ?? `${path}, system`,
      ...(answer === undefined ? {} : { answer: isFile(answer) ? at(answer.file) : path }),
    },
    outputs: {
      ...(out === undefined ? {} : { out: at(out) }),
      ...(npy === undefined ? {} : { npy: at(npy) }),
      ...(keep === undefined ? {} : { keep: [...keep] }),
    },
    folder,
  };
}

/**
 * Checks the text of a job file.
 * @throws BatchError `bad_option`
 */
export function parseJobFile(text: string, path: string): JobFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined)
    throw badFile(path, lines.linePos(error.pos[0]).line, `is not valid YAML (${error.code}): correct it.`);
  const value = valueOf(document, path, lines);
  const { data, error: wrong } = jobFileSchema.safeParse(value);
  if (wrong === undefined) return data;
  const [issue] = wrong.issues;
  const keys = issue!.path.map(String);
  if (issue!.code === 'unrecognized_keys') {
    const [name] = issue.keys;
    const line = lineOf(document, [...keys, name!], lines);
    const known = knownKeys(keys);
    const near = nearest(name!, known);
    const advice = near === null ? `known are ${known.join(', ')}.` : `did you mean ${near}?`;
    throw badFile(path, line, `key ${[...keys, name!.slice(0, 40)].join('.')} does not exist: ${advice}`);
  }
  if (keys.length === 0) throw badFile(path, 1, `${issue!.message}.`);
  throw badFile(path, lineOf(document, keys, lines), `key ${keys.join('.')} ${issue!.message}.`);
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

/** The keys of the object at a path, as the schema has them: each key is optional, and the value of its type is inside. */
function knownKeys(path: readonly string[]): string[] {
  let shape: unknown = jobFileKeys;
  for (const name of path) {
    const optional = (shape as Record<string, { def: { innerType: { shape: unknown } } }>)[name]!;
    ({ shape } = optional.def.innerType);
  }
  return Object.keys(shape as object);
}

/** The line of the deepest key of a path that is in the document. */
function lineOf(document: Document, keys: readonly string[], lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const name of keys) {
    if (!isMap(node)) break;
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === name);
    if (pair === undefined) break;
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return lines.linePos(offset).line;
}

async function textOf(
  value: TextOrFile | undefined,
  at: (file: string) => string,
): Promise<{ text: string; name?: string } | undefined> {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return { text: value };
  return { text: await readText(at(value.file)), name: at(value.file) };
}

/** A schema may have a property `file`, but not as its only member. */
function isFile(answer: JobFile['answer']): answer is { readonly file: string } {
  return answer !== undefined && Object.keys(answer).join() === 'file' && typeof answer['file'] === 'string';
}

function badFile(file: string, line: number, problem: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `${file}:${line}: ${problem}`, { details: { file, line } });
}
