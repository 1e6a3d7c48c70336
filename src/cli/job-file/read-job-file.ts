import { dirname, isAbsolute, join } from 'node:path';
import { STDIN } from '../../job/row-source-options.ts';
import type { StartOptions } from '../../job/start-options.ts';
import type { TemplateFiles } from '../../job/template-options.ts';
import type { OutputFlags } from '../job-options.ts';
import { readJsonObject, readText } from '../read-texts.ts';
import { parseYaml } from './parse-yaml.ts';
import { readPrices } from './read-prices.ts';
import { jobFileSchema, type JobFile, type TextOrFile } from './schema.ts';

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
    prices,
    ...options
  } = parseYaml(await readText(path), path, jobFileSchema);
  const folder = dirname(path);
  const at = (file: string): string => (isAbsolute(file) || file === STDIN ? file : join(folder, file));
  const texts = { prompt: await textOf(prompt, at), system: await textOf(system, at) };
  const given = {
    ...options,
    prompt: texts.prompt?.text,
    system: texts.system?.text,
    input: typeof input === 'string' ? at(input) : input?.map(at),
    answer: isFile(answer) ? await readJsonObject('answer', at(answer.file)) : answer,
    prices: isFile(prices) ? await readPrices(at(prices.file)) : prices,
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

async function textOf(
  value: TextOrFile | undefined,
  at: (file: string) => string,
): Promise<{ text: string; name?: string } | undefined> {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return { text: value };
  return { text: await readText(at(value.file)), name: at(value.file) };
}

/** A schema may have a property `file`, but not as its only member. */
function isFile(value: JobFile['answer']): value is { readonly file: string } {
  return value !== undefined && Object.keys(value).join() === 'file' && typeof value['file'] === 'string';
}
