import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { readJsonObject, readText, textOrFile } from '../../../src/cli/read-texts.ts';
import { addSourceOptions, readSource, type ReadSource } from '../../../src/cli/source-options.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const folder = new TempFolder();
afterAll(() => folder[Symbol.dispose]());

function file(name: string, text: string | Buffer): string {
  writeFileSync(folder.at(name), text);
  return folder.at(name);
}

async function read(...args: string[]): Promise<ReadSource['settings']> {
  const command = addSourceOptions(new Command().exitOverride().option('--model <name>'));
  command.parse(args, { from: 'user' });
  return (await readSource(command.opts())).settings;
}

describe('options', () => {
  test('that are not given are none', async () => {
    expect(await read()).toEqual({});
  });

  test.each<[string[], object]>([
    [['--sql', 'select 1'], { sql: 'select 1' }],
    [['--format', 'csv'], { format: 'csv' }],
    [['--chunk-tokens', '500', '--chunk-overlap', '50'], { chunkTokens: 500, chunkOverlap: 50 }],
    [['--prompt', 'a b', '--system', '{{c}}'], { prompt: 'a b', system: '{{c}}' }],
    [['--model', 'm'], { model: 'm' }],
    [['--model-column', 'm'], { model: { column: 'm' } }],
    [['--id-column', 'key'], { id: { column: 'key' } }],
    [['--images', 'i'], { images: { column: 'i' } }],
    [['--images', 'i', '--image-detail', 'low'], { images: { column: 'i', detail: 'low' } }],
    [['--embed'], { embed: true }],
    [
      ['--param', 'n=0', '--param', 'text=a=b', '--param', 'list=[1]'],
      { params: { n: 0, text: 'a=b', list: [1] } },
    ],
    [['--params', file('params.json', '{"n":1,"m":2}'), '--param', 'n=0'], { params: { n: 0, m: 2 } }],
    [['--answer', file('answer.json', '{"type":"object"}')], { answer: { type: 'object' } }],
  ])('%j are %j', async (args, settings) => {
    expect(await read(...args)).toEqual(settings);
  });

  test.each([
    [['--model', 'm', '--model-column', 'm']],
    [['--image-detail', 'low']],
    [['--param', 'n']],
    [['--param', '=1']],
  ])('%j are refused', async (args) => {
    await expect(read(...args)).rejects.toMatchObject({ code: 'bad_option' });
  });
});

describe('a text', () => {
  test('is a file if there is one, without its last line end and its byte order mark', async () => {
    const path = file('a prompt.md', '\uFEFFHello\n\n');
    expect(await textOrFile('prompt', path)).toEqual({ text: 'Hello\n', name: path });
  });

  test.each(['two words', '{{text}}', 'x'.repeat(5_000) + ' y'])('%s is a text', async (text) => {
    expect(await textOrFile('prompt', text)).toEqual({ text, name: null });
  });

  test.each(['', ' ', 'prompt.md', 'word'])('"%s" is neither', async (text) => {
    await expect(textOrFile('prompt', text)).rejects.toMatchObject({ code: 'bad_option' });
  });

  test.each<[string, string, string]>([
    ['a missing file', folder.at('none'), 'does not exist: check the path.'],
    ['a folder', folder.path, 'is a folder: name a file.'],
    ['no UTF-8', file('latin1', Buffer.from([0xff])), 'is not valid UTF-8: save it as UTF-8.'],
  ])('%s is reported', async (_, path, message) => {
    await expect(readText(path)).rejects.toThrow(`${path} ${message}`);
  });

  test('that is not a JSON object is reported with its line, without its content', async () => {
    const secret = file('secret.json', '{\n"key": secret\n}');
    await expect(readJsonObject('answer', secret)).rejects.toThrow(
      /secret\.json(:2)? is not valid JSON: correct it\.$/,
    );
    await expect(readJsonObject('answer', file('list.json', '[]'))).rejects.toThrow(
      'is not a JSON object, which --answer needs: {…}',
    );
  });
});
