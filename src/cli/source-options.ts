import type { Command } from 'commander';
import { badFlag } from '../core/bad-option.ts';
import type { StartSettings } from '../job/start-options.ts';
import type { TemplateNames } from '../render/column-uses.ts';
import { toNumber } from './job-options.ts';
import { readJsonObject, textOrFile } from './read-texts.ts';

/** The options of what a job reads, and of the requests that it makes of rows; shared by `run` and `start`. */
export interface SourceFlags {
  sql?: string;
  format?: string;
  chunkTokens?: number;
  chunkOverlap?: number;
  prompt?: string;
  system?: string;
  params?: string;
  param?: readonly string[];
  modelColumn?: string;
  images?: string;
  imageDetail?: string;
  answer?: string;
  idColumn?: string;
  embed?: boolean;
  dryRun?: boolean;
}

/** Adds the options of sources and requests to a command. */
export function addSourceOptions(command: Command): Command {
  return command
    .optionsGroup('Rows:')
    .option(
      '--sql <query>',
      'a SELECT statement of DuckDB instead of an input, e.g. "select * from \'a.parquet\'"',
    )
    .option('--format <name>', 'csv, tsv, json, jsonl or parquet (default: by the ending; csv for -)')
    .option(
      '--chunk-tokens <n>',
      'cut documents into chunks of at most this many tokens, a row each',
      toNumber,
    )
    .option('--chunk-overlap <n>', 'tokens of a chunk that the next one repeats (default: 0)', toNumber)
    .optionsGroup('Requests of rows:')
    .option('--prompt <file|text>', "make a request of each row, e.g. 'Classify: {{ text }}'")
    .option('--system <file|text>', 'the system message')
    .option('--model-column <name>', 'column of the model, instead of --model')
    .option('--id-column <name>', 'column of your ids (custom_id)')
    .option('--params <file>', 'a JSON file with further fields of the body')
    .option('--param <key=value>', 'a further field, e.g. temperature=0; may be given several times', collect)
    .option('--images <column>', 'column of images: URLs, or paths of files')
    .option('--image-detail <level>', 'low, high or auto')
    .option('--answer <file>', 'a JSON Schema of the answers')
    .option('--embed', "embeddings: the endpoint is /v1/embeddings, the prompt '{{ text }}' unless given");
}

/** The options of a start that describe its rows and requests, with the files of their texts. */
export interface ReadSource {
  readonly settings: StartSettings & { sql?: string };
  readonly names: TemplateNames;
}

/**
 * Reads the files of options. `params` are those of a job file, to which `--param` adds.
 * @throws BatchError `bad_option`, `bad_input`
 */
export async function readSource(
  flags: SourceFlags & { model?: string },
  params?: StartSettings['params'],
): Promise<ReadSource> {
  const { sql, format, chunkTokens, chunkOverlap, embed, model, modelColumn, idColumn } = flags;
  if (model !== undefined && modelColumn !== undefined)
    throw badFlag('model-column', 'cannot be combined with --model');
  if (flags.imageDetail !== undefined && flags.images === undefined)
    throw badFlag('image-detail', 'needs --images');
  const prompt = flags.prompt === undefined ? null : await textOrFile('prompt', flags.prompt);
  const system = flags.system === undefined ? null : await textOrFile('system', flags.system);
  const settings = {
    sql,
    format,
    chunkTokens,
    chunkOverlap,
    embed,
    prompt: prompt?.text,
    system: system?.text,
    model: modelColumn === undefined ? model : { column: modelColumn },
    id: idColumn === undefined ? undefined : { column: idColumn },
    params: await paramsOf(flags, params),
    images: imagesOf(flags),
    answer: flags.answer === undefined ? undefined : await readJsonObject('answer', flags.answer),
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return {
    settings: Object.fromEntries(given) as ReadSource['settings'],
    names: { prompt: prompt?.name ?? '--prompt', system: system?.name ?? '--system' },
  };
}

function imagesOf({ images, imageDetail }: SourceFlags): object | undefined {
  if (images === undefined) return undefined;
  return { column: images, ...(imageDetail === undefined ? {} : { detail: imageDetail }) };
}

/** Single fields take precedence over those of the file. */
async function paramsOf(
  { params, param }: SourceFlags,
  ofJobFile: StartSettings['params'],
): Promise<object | undefined> {
  if (params === undefined && param === undefined) return undefined;
  const fields = params === undefined ? (ofJobFile ?? {}) : await readJsonObject('params', params);
  return Object.fromEntries([...Object.entries(fields), ...(param ?? []).map(toField)]);
}

/** `temperature=0`: the value is JSON, or else a text. */
function toField(text: string): [key: string, value: unknown] {
  const [, key, value] = /^([^=]+)=([^]*)$/.exec(text) ?? [];
  if (key === undefined)
    throw badFlag('param', `must be key=value, such as temperature=0, got "${text.slice(0, 40)}"`);
  try {
    return [key, JSON.parse(value!)];
  } catch {
    return [key, value];
  }
}

function collect(field: string, fields: string[] | undefined): string[] {
  return [...(fields ?? []), field];
}
