import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { checkJobOptions, jobIdentity } from '../../../src/core/job-spec.ts';
import { keepTemplate, readTemplate, templateReference } from '../../../src/job/job-template.ts';
import { prepareJob } from '../../../src/job/prepare-job.ts';
import { resolveStart } from '../../../src/job/start-options.ts';
import { requestTemplateOf } from '../../../src/job/template-options.ts';
import type { RequestTemplate } from '../../../src/render/request-template.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { inputFiles } from '../../../src/store/job-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.path);
  return () => folder[Symbol.dispose]();
});

const options = { prompt: '{{ text }}', model: 'gpt-5-mini' };
const templateOf = async (more: object = {}): Promise<RequestTemplate> =>
  (await requestTemplateOf({ ...options, ...more }))!;

describe('a template in the store', () => {
  test('is read as it was written, any number of times', async () => {
    const template = await templateOf({ params: { b: 1, a: 2 } });
    const reference = templateReference(template, '/x');
    await keepTemplate(store, template);
    await keepTemplate(store, template);
    expect(JSON.stringify(await readTemplate(store, reference))).toBe(JSON.stringify(template));
  });

  test('that is missing or damaged is reported; the same start writes it again', async () => {
    const template = await templateOf();
    const reference = templateReference(template, '/x');
    const key = inputFiles.template(reference.sha256);
    await expect(readTemplate(store, reference)).rejects.toMatchObject({
      code: 'bad_input',
      message: `The request template of the job is missing from the store (${key}): start the job again with the same command, which writes it again.`,
    });
    await keepTemplate(store, template);
    writeFileSync(folder.at(key), readFileSync(folder.at(key), 'utf8').replace('text', 'test'));
    await expect(readTemplate(store, reference)).rejects.toThrow('damaged in the store');
    await keepTemplate(store, template);
    expect(await readTemplate(store, reference)).toEqual(template);
  });

  test('with a field of another version is refused, so that it is not left out', async () => {
    const newer = { ...(await templateOf()), audio: { column: 'x' } };
    await keepTemplate(store, newer);
    await expect(readTemplate(store, templateReference(newer, '/x'))).rejects.toThrow(
      'by another version of durable-batch',
    );
  });
});

describe('the identity of a job', () => {
  const { jobId: _, ...checked } = { ...checkJobOptions({}), jobId: null };
  const identityWith = (template?: { sha256: string; imageFolder?: string }): string =>
    jobIdentity({ ...checked, jobId: null, ...(template && { template }) }, 'hash');

  test('contains its template', () => {
    expect(identityWith({ sha256: 'a' })).not.toBe(identityWith({ sha256: 'b' }));
    expect(identityWith({ sha256: 'a' })).not.toBe(identityWith());
    expect(identityWith({ sha256: 'a', imageFolder: '/x' })).not.toBe(identityWith({ sha256: 'a' }));
  });

  test('is that of earlier versions without a template', () => {
    expect(identityWith()).toBe('[1,"hash",null,null,50000,190000000,3,false,null]');
  });

  test('also decides the id of a prepared job; images are relative to the input', async () => {
    const input = folder.at('rows.jsonl');
    writeFileSync(input, '{"text":"x","i":"y.png"}\n');
    const plain = await prepareJob({ input });
    const { spec: asked } = await resolveStart({ input, ...options }, store);
    const { spec: withImages } = await resolveStart({ input, ...options, images: { column: 'i' } }, store);
    expect(plain).not.toHaveProperty('template');
    expect(asked.template).toEqual({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect(withImages.template).toMatchObject({ imageFolder: folder.path });
    expect(new Set([plain.jobId, asked.jobId, withImages.jobId]).size).toBe(3);
  });
});

describe('options', () => {
  test('without a prompt are no template', async () => {
    expect(await requestTemplateOf({ model: 'x', endpoint: '/v1/responses' })).toBeNull();
    await expect(requestTemplateOf({ system: 'x' })).rejects.toMatchObject({
      code: 'bad_option',
      message: 'Option system needs a prompt: a file of ready requests is sent as it is.',
    });
  });

  test('need a model', async () => {
    await expect(requestTemplateOf({ prompt: 'x' })).rejects.toThrow(
      'Option model is missing: name a model, or the column that names it.',
    );
  });

  test('have chat completions as their endpoint', async () => {
    expect(await templateOf()).toEqual({ endpoint: '/v1/chat/completions', ...options });
  });

  test('with a text that is no template are refused by file, line and column', async () => {
    await expect(
      requestTemplateOf({ ...options, prompt: '\n{{ a' }, { prompt: 'p.md' }),
    ).rejects.toMatchObject({
      code: 'bad_input',
      details: { file: 'p.md', line: 2 },
    });
  });

  test('take a JSON Schema, named by its title', async () => {
    const schema = {
      title: 'label',
      type: 'object',
      properties: {},
      required: [],
      additionalProperties: false,
    };
    expect((await templateOf({ answer: schema })).answer).toEqual({ name: 'label', schema });
    const untitled = { ...schema, title: 'a title' };
    expect((await templateOf({ answer: untitled })).answer?.name).toBe('answer');
  });

  test('take a schema of zod, whose objects are closed', async () => {
    const answer = z.object({
      label: z.enum(['a', 'b']),
      parts: z.array(z.object({ n: z.number().nullable() })),
    });
    expect((await templateOf({ answer })).answer?.schema).toMatchObject({
      additionalProperties: false,
      required: ['label', 'parts'],
      properties: { parts: { items: { additionalProperties: false } } },
    });
    const loose = z.looseObject({ label: z.string() });
    await expect(templateOf({ answer: loose })).rejects.toThrow('add "additionalProperties": false');
    const optional = z.object({ label: z.string().optional() });
    await expect(templateOf({ answer: optional })).rejects.toThrow('has the optional property "label"');
    const noJson = z.object({ at: z.date() });
    await expect(templateOf({ answer: noJson })).rejects.toThrow('cannot be written as a JSON Schema');
  });

  const standard = (input: () => unknown): object => ({ '~standard': { jsonSchema: { input } } });
  const notASchema =
    'Option answer must be a JSON Schema, or a schema of zod or another library with Standard JSON Schema.';
  const notWritten =
    'Option answer cannot be written as a JSON Schema: use a library with Standard JSON Schema (zod 4.2), and only types of JSON.';

  test.each<[string, unknown, string]>([
    ['null', null, notASchema],
    ['a text', 'label.json', notASchema],
    ['a number', 0, notASchema],
    ['a list', [{}], notASchema],
    ['a function', () => ({}), notASchema],
    ['a library that writes nothing', standard(() => undefined), notASchema],
    ['a library that writes no schema', standard(() => ({ properties: null })), notWritten],
    ['a library that cannot write it', { '~standard': { validate: () => ({}) } }, notWritten],
    ['a library without anything', { '~standard': null }, notWritten],
  ])('refuse an answer that is %s', async (_, answer, message) => {
    await expect(templateOf({ answer })).rejects.toMatchObject({ code: 'bad_option', message });
  });

  test('take a schema that is a function', async () => {
    const schema = { type: 'object', properties: {}, required: [] };
    const answer = Object.assign(
      () => null,
      standard(() => schema),
    );
    expect((await templateOf({ answer })).answer?.schema).toEqual({ ...schema, additionalProperties: false });
  });
});
