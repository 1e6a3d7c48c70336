import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { parseYaml } from '../../../../src/cli/job-file/parse-yaml.ts';
import { readJobFile } from '../../../../src/cli/job-file/read-job-file.ts';
import { jobFileKeys, jobFileSchema } from '../../../../src/cli/job-file/schema.ts';
import { readStart, resolveRequest } from '../../../../src/cli/read-start.ts';
import { startOptionNames } from '../../../../src/job/start-options.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

function file(name: string, text: string): string {
  mkdirSync(dirname(folder.at(name)), { recursive: true });
  writeFileSync(folder.at(name), text);
  return folder.at(name);
}

test('its keys are the options of a start that a file can have', () => {
  const notInFiles = ['rows', 'requests'];
  const ofFiles = ['$schema', 'out', 'npy', 'keep'];
  expect(Object.keys(jobFileKeys).toSorted()).toEqual(
    [...startOptionNames.filter((name) => !notInFiles.includes(name)), ...ofFiles].toSorted(),
  );
});

describe('a job file', () => {
  test('has paths that are relative to it, texts and files', async () => {
    file('jobs/prompts/p.md', 'Label {{ text }}\n');
    file('jobs/answer.json', '{"type":"object"}');
    const path = file(
      'jobs/a.job.yaml',
      'input: [a.csv, ../b/*.csv, /c.csv]\nprompt: { file: prompts/p.md }\nsystem: "Be short, {{ name }}"\nanswer: { file: answer.json }\nout: results\nnpy: v.npy\nkeep: [a, b]\nattempts: 2\n',
    );
    expect(await readJobFile(path)).toEqual({
      options: {
        input: [folder.at('jobs/a.csv'), folder.at('b/*.csv'), '/c.csv'],
        prompt: 'Label {{ text }}',
        system: 'Be short, {{ name }}',
        answer: { type: 'object' },
        attempts: 2,
      },
      names: {
        prompt: folder.at('jobs/prompts/p.md'),
        system: `${path}, system`,
        answer: folder.at('jobs/answer.json'),
      },
      outputs: { out: folder.at('jobs/results'), npy: folder.at('jobs/v.npy'), keep: ['a', 'b'] },
      folder: folder.at('jobs'),
    });
  });

  test('may be JSON', async () => {
    const path = file('a.job.json', '{\n  "$schema": "x",\n  "sql": "select 1"\n}');
    expect((await readJobFile(path)).options).toEqual({ sql: 'select 1' });
  });

  test('is overridden by options and further inputs', async () => {
    const path = file(
      'b.job.yaml',
      'input: a.csv\nprompt: "a {{ b }}"\nmodel: { column: m }\nparams: { n: 1, m: 2 }\nattempts: 2\nout: here\n',
    );
    const { options, outputs, names } = await readStart([path], {
      model: 'given',
      param: ['n=0'],
      out: 'there',
    });
    expect(options).toEqual({
      input: folder.at('a.csv'),
      prompt: 'a {{ b }}',
      model: 'given',
      params: { n: 0, m: 2 },
      attempts: 2,
    });
    expect({ outputs, names }).toMatchObject({
      outputs: { out: 'there' },
      names: { prompt: `${path}, prompt` },
    });
    const other = await readStart([path, 'c.csv'], { prompt: 'other {{ b }}' });
    expect(other).toMatchObject({
      options: { input: ['c.csv'], prompt: 'other {{ b }}', params: { n: 1, m: 2 } },
      names: { prompt: '--prompt' },
      outputs: { out: folder.at('here') },
    });
    const query = await readStart([path], { sql: 'select 1' });
    expect(query.options).not.toHaveProperty('input');
    expect(query.options).toMatchObject({ sql: 'select 1' });
    // The folder of the job file is that of the sources in it.
    expect([query.folder, other.folder]).toEqual([undefined, undefined]);
    expect((await readStart([path], {})).folder).toBe(folder.path);
    await expect(readStart([file('c.job.yaml', 'prompt: x')], {})).rejects.toThrow('The input is missing');
  });
});

test('a schema that strict mode refuses is named by its file', async () => {
  const loose = file('loose.json', '{"type":"object","properties":{}}');
  const text = `sql: select 1 as a\nprompt: "{{ a }}"\nmodel: m\nanswer: `;
  const store = new FolderStore(folder.at('store'));
  const refusal = async (...[inputs, flags]: Parameters<typeof readStart>): Promise<string> => {
    const request = await readStart(inputs, flags);
    return await resolveRequest(request, store).then(String, String);
  };
  const own = file('own.job.yaml', `${text}{ type: object, properties: {} }\n`);
  const other = file('other.job.yaml', `${text}{ file: loose.json }\n`);
  expect(await refusal([own], {})).toContain(`Option answer: ${own}: The schema`);
  expect(await refusal([other], {})).toContain(`Option answer: ${loose}: The schema`);
  expect(await refusal([own], { answer: loose })).toContain(`Option answer: ${loose}: The schema`);
});

test('standard input is opened only for an input that is -', async () => {
  const stdin = vi.spyOn(process, 'stdin', 'get');
  const request = await readStart([file('d.job.yaml', `input: ${file('my-reviews.csv', 'a\n1\n')}`)], {
    prompt: '{{ a }}',
    model: 'm',
  });
  await resolveRequest(request, new FolderStore(folder.at('store')));
  expect(stdin).not.toHaveBeenCalled();
  stdin.mockRestore();
});

describe('refused, with the line, is', () => {
  test.each<[string, string, string]>([
    ['an unknown key', 'input: a\npromt: b', 'a.job.yaml:2: key promt does not exist: did you mean prompt?'],
    [
      'a key of the command line',
      'chunk-tokens: 5',
      'a.job.yaml:1: key chunk-tokens does not exist: did you mean chunkTokens?',
    ],
    [
      'an unknown key inside',
      'images:\n  column: a\n  detial: low',
      'a.job.yaml:3: key images.detial does not exist: did you mean detail?',
    ],
    [
      'a key that nothing is near to',
      'zzzzzz: 5',
      'a.job.yaml:1: key zzzzzz does not exist: known are $schema, input',
    ],
    [
      'another type',
      'input: a\nattempts: many',
      'a.job.yaml:2: key attempts must be a whole number from 1 to 20.',
    ],
    [
      'a value out of range',
      'attempts: 21',
      'a.job.yaml:1: key attempts must be a whole number from 1 to 20.',
    ],
    ['a fraction', 'attempts: 1.5', 'a.job.yaml:1: key attempts must be a whole number from 1 to 20.'],
    [
      'an unknown format',
      'format: xls',
      'a.job.yaml:1: key format must be csv, tsv, json, jsonl or parquet.',
    ],
    [
      'a prompt that is a list',
      'prompt: [a]',
      'a.job.yaml:1: key prompt must be a text, or {"file": …} with the path of one.',
    ],
    [
      'a model that is a number',
      'model: 5',
      'a.job.yaml:1: key model must be the name of a model, or {"column": …}.',
    ],
    [
      'an unknown key of a column',
      'input: a\nid: { colum: a, column: b, x: 1 }',
      'a.job.yaml:2: key id.colum does not exist: did you mean column?',
    ],
    [
      'a key that nothing in a column is near to',
      'id: { column: b, zzzzzzz: 1 }',
      'a.job.yaml:1: key id.zzzzzzz does not exist: known are column.',
    ],
    [
      'an alias without its anchor',
      'input: a\nparams: &p { n: 1 }\nprompt: *q',
      'a.job.yaml:3: has an alias that cannot be replaced by its value: write the value instead.',
    ],
    [
      'a model without a name',
      "model: ''",
      'a.job.yaml:1: key model must be the name of a model, or {"column": …}.',
    ],
    ['an input of no files', 'input: []', 'a.job.yaml:1: key input must be a path, or a list of paths.'],
    ['one column instead of several', 'keep: a', 'a.job.yaml:1: key keep must be a list of columns.'],
    ['a $schema that is a number', '$schema: 5', 'a.job.yaml:1: key $schema must be a text.'],
    ['a list', '- input: a', 'a.job.yaml:1: must have keys and values, such as input: reviews.csv.'],
    ['nothing', '', 'a.job.yaml:1: must have keys and values'],
    ['no YAML', 'input: a\nmodel: "b', 'a.job.yaml:2: is not valid YAML ('],
    ['a key twice', 'input: a\ninput: b', 'a.job.yaml:2: is not valid YAML (DUPLICATE_KEY): correct it.'],
  ])('%s', (_, text, message) => {
    expect(() => parseYaml(text, 'a.job.yaml', jobFileSchema)).toThrow(message);
  });
});
